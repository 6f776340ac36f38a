//! What nginx does and the import cannot know: files that are not in its text, and Lua. Instead of Lua, nginx runs directives
//! that do what the Lua could.

use super::place::{location, proxied};
use super::script::condition;
use super::{Maker, access};

/// What stands in a file that is not imported.
pub(super) fn in_file(maker: &mut Maker, make: impl FnOnce(&mut Maker) -> String) -> String {
    maker.hides = true;
    let real = make(maker);
    maker.hides = false;
    let told = format!("include {};", maker.name("gone").replace("_gone", "/gone") + ".conf");
    format!("{}\n", maker.texts.hide(real, told))
}

/// Lua, or a file, in a server.
pub(super) fn in_server(maker: &mut Maker, pages: &[String]) -> String {
    let server = maker.server;
    maker.texts.places[server].untraced = true;
    match maker.below(4) {
        0 => {
            let real = ended(maker);
            let told =
                maker.pick(&["rewrite_by_lua_block { ngx.exit(403) }", "access_by_lua_file gate.lua;"]);
            format!("{}\n", maker.texts.hide(real, told.to_owned()))
        }
        1 => in_file(maker, ended),
        2 => in_file(maker, |maker| access::rules(maker, server, pages)),
        _ => in_file(maker, |maker| location(maker, "/hidden", pages, &mut Vec::new(), 2)),
    }
}

/// Lua, or a file, in a location. Lua never runs before a `return`, wherever it stands.
pub(super) fn in_location(maker: &mut Maker, returns: bool) -> String {
    let real = if maker.one_in(2) { ended(maker) } else { chosen(maker) };
    let kind = maker.below(5);
    let told = match kind {
        0 => "rewrite_by_lua_block {\nif ngx.var.cookie_uid then ngx.exec('@x') end\n}".to_owned(),
        1 => "access_by_lua_file gate.lua;".to_owned(),
        2 => "rewrite_by_lua 'ngx.exit(403)';".to_owned(),
        _ => format!("include {}/more.conf;", maker.prefix),
    };
    let real = if returns && kind < 3 { String::new() } else { real };
    format!("{}\n", maker.texts.hide(real, told))
}

/// Lua, or a file, in an `if` of a location. Lua runs there only if no later `if` holds, as what answers does.
pub(super) fn in_if(maker: &mut Maker) -> String {
    let lua = maker.pick(&[
        "content_by_lua_block { ngx.exec('@x') }",
        "access_by_lua_block { ngx.exit(403) }",
        "rewrite_by_lua_file gate.lua;",
        "",
    ]);
    let real = match lua {
        "" if maker.one_in(2) => "return 403;".to_owned(),
        _ => proxied(maker).trim_end().to_owned(),
    };
    let told = if lua.is_empty() { format!("include {}/then.conf;", maker.prefix) } else { lua.to_owned() };
    maker.texts.hide(real, told)
}

fn ended(maker: &mut Maker) -> String {
    let (condition, code) = (condition(maker), maker.pick(&["403", "418", "204"]));
    format!("if ({condition}) {{ return {code}; }}")
}

fn chosen(maker: &mut Maker) -> String {
    let (condition, sent) = (condition(maker), proxied(maker));
    format!("if ({condition}) {{ {} }}", sent.trim_end())
}

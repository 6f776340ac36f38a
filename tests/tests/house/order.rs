//! What is wrong with a house: circles, arrows that point up, and arrows that must never be.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::house::{Arrow, Graph, House, ROOT};

/// The order that a crate declares.
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    /// Where its `lib.rs` is.
    pub(crate) sources: &'static str,
    /// Bottom to top, left to right: a room may know those before it.
    pub(crate) rooms: &'static [&'static str],
    /// Rooms whose files still know each other in a circle: owed, and none may join them.
    pub(crate) knotted: &'static [&'static str],
    pub(crate) never: &'static [Never],
}

/// An arrow that must never be, whatever the order says. Modules stand for their children, too.
pub(crate) struct Never {
    pub(crate) from: &'static str,
    /// Modules below `from` that may.
    pub(crate) except: &'static [&'static str],
    pub(crate) to: &'static str,
    pub(crate) because: &'static str,
}

impl Plan {
    pub(crate) fn in_order(&self) -> impl Iterator<Item = &'static str> {
        self.rooms.iter().flat_map(|line| line.split_whitespace())
    }
}

/// All that is wrong, one sentence each, with the lines that make it so.
pub(crate) fn problems(house: &House, plan: &Plan) -> Vec<String> {
    let mut found = circles(house, plan);
    found.extend(upward(house, plan));
    found.extend(never(house, plan));
    found.extend(unknown(house, plan));
    found
}

fn circles(house: &House, plan: &Plan) -> Vec<String> {
    let rooms = house.rooms();
    let mut found = circles_in(&rooms, &format!("{}: a circle among its rooms", house.name), |from, to| {
        house.between(from, to).first().copied()
    });
    for room in rooms.known.keys() {
        let inside = house.within(room);
        let knots = circles_in(&inside, &format!("{}: a circle inside {room}", house.name), |from, to| {
            house.arrows.iter().find(|arrow| arrow.from == from && arrow.to == to)
        });
        match (plan.knotted.contains(&room.as_str()), knots.is_empty()) {
            (false, _) => found.extend(knots),
            (true, true) => {
                found.push(format!("{}: {room} has no circle any more: its plan may say so", house.name));
            }
            (true, false) => {}
        }
    }
    found
}

fn circles_in<'h>(graph: &Graph, what: &str, arrow: impl Fn(&str, &str) -> Option<&'h Arrow>) -> Vec<String> {
    let each = |knot| {
        let circle = graph.circle(&knot);
        let others =
            (knot.len() + 1 > circle.len()).then(|| format!(" (of {} that all know each other)", knot.len()));
        let mut said = format!("{what}{}: {}", others.unwrap_or_default(), circle.join(" → "));
        let arrows = circle.windows(2).filter_map(|step| arrow(&step[0], &step[1]));
        arrows.for_each(|arrow| said += &format!("\n    {}", written(arrow)));
        said
    };
    graph.knots().into_iter().map(each).collect()
}

fn upward(house: &House, plan: &Plan) -> Vec<String> {
    let places: BTreeMap<&str, usize> = plan.in_order().enumerate().map(|(at, room)| (room, at)).collect();
    let mut found = Vec::new();
    for (from, known) in &house.rooms().known {
        for to in known {
            if let (Some(lower), Some(higher)) = (places.get(from.as_str()), places.get(to.as_str()))
                && lower < higher
            {
                found.push(said(
                    house,
                    &format!("{from} stands below {to} and names it"),
                    house.between(from, to).into_iter(),
                ));
            }
        }
    }
    if house.to_the_root().next().is_some() {
        let why = format!("what {ROOT} defines has no room of its own, so who names it points up");
        found.push(said(house, &why, house.to_the_root()));
    }
    found
}

fn never(house: &House, plan: &Plan) -> Vec<String> {
    let within = |file: &String, module: &str| {
        let named = &house.files[file].module;
        named == module || named.strip_prefix(module).is_some_and(|rest| rest.starts_with("::"))
    };
    let broken = |never: &Never| {
        let mut arrows = house.arrows.iter().filter(|arrow| {
            within(&arrow.from, never.from)
                && within(&arrow.to, never.to)
                && !never.except.iter().any(|except| within(&arrow.from, except))
        });
        let why = format!("{} must never name {}: {}", never.from, never.to, never.because);
        let first = arrows.next()?;
        Some(said(house, &why, std::iter::once(first).chain(arrows)))
    };
    plan.never.iter().filter_map(broken).collect()
}

/// A room that the plan does not know has no order, and one that is gone would leave a rule that holds nothing.
fn unknown(house: &House, plan: &Plan) -> Vec<String> {
    let rooms = house.rooms();
    let planned = |room: &str| room == ROOT || plan.in_order().any(|planned| planned == room);
    let new = rooms.known.keys().filter(|room| !planned(room));
    let new = new.map(|room| format!("{}: its plan does not say where {room} stands", house.name));
    let gone = plan.in_order().filter(|room| !rooms.known.contains_key(*room));
    let gone = gone.map(|room| format!("{}: its plan has a room {room}, which is not there", house.name));
    let modules = |named: &str| house.files.values().any(|file| file.module == named);
    let named = plan.never.iter().flat_map(|never| never.except.iter().chain([&never.from, &never.to]));
    let nothing = named.filter(|named| !modules(named));
    let nothing = nothing.map(|module| format!("{}: a rule names {module}, which is not there", house.name));
    new.chain(gone).chain(nothing).collect()
}

/// The first arrow of each file is enough to find the others.
fn said<'h>(house: &House, what: &str, arrows: impl Iterator<Item = &'h Arrow>) -> String {
    let mut said = format!("{}: {what}", house.name);
    let mut first = BTreeMap::<&str, &Arrow>::new();
    for arrow in arrows {
        let kept = first.entry(&arrow.from).or_insert(arrow);
        *kept = if arrow.line < kept.line { arrow } else { kept };
    }
    for arrow in first.values() {
        let _ = write!(said, "\n    {}", written(arrow));
    }
    said
}

fn written(arrow: &Arrow) -> String {
    format!("{}:{} {}", arrow.from, arrow.line, arrow.written)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan {
        name: "made-up",
        sources: "src",
        rooms: &["ground", "middle top"],
        knotted: &[],
        never: &[Never { from: "top", except: &["top::door"], to: "ground::cellar", because: "it is dark" }],
    };

    /// A house in order, but for what these files say instead.
    fn check(changed: &[(&str, &str)], expected: &[&str]) {
        check_plan(&PLAN, changed, expected);
    }

    fn check_plan(plan: &Plan, changed: &[(&str, &str)], expected: &[&str]) {
        let sound = [
            ("src/lib.rs", "mod ground; mod middle; mod top; pub use top::Top;"),
            ("src/ground.rs", "pub mod cellar; pub struct Ground;"),
            ("src/ground/cellar.rs", ""),
            ("src/middle.rs", "use crate::ground::Ground;"),
            ("src/top.rs", "mod door; use crate::{ground, middle::Middle};"),
            ("src/top/door.rs", "use crate::ground::cellar::Barrel;"),
        ];
        let house = House::read("made-up", "src/lib.rs", &|name| {
            let mut files = changed.iter().chain(&sound);
            files.find(|(file, _)| *file == name).map(|(_, text)| (*text).to_owned())
        });
        assert_eq!(problems(&house, plan), expected);
    }

    #[test]
    fn a_house_in_order_has_no_problem() {
        check(&[], &[]);
    }

    #[test]
    fn a_circle_and_an_upward_arrow_are_found() {
        check(
            &[("src/ground.rs", "pub mod cellar;\nfn a(b: crate::middle::Middle) {}")],
            &[
                "made-up: a circle among its rooms: ground → middle → ground\n    src/ground.rs:2 crate::middle::Middle\n    src/middle.rs:1 crate::ground::Ground",
                "made-up: ground stands below middle and names it\n    src/ground.rs:2 crate::middle::Middle",
            ],
        );
    }

    #[test]
    fn an_arrow_up_is_found_by_whatever_door_it_leaves() {
        let up = "made-up: middle stands below top and names it\n    src/middle.rs:1 crate::Top";
        check(&[("src/middle.rs", "use crate::Top;"), ("src/top.rs", "mod door; pub struct Top;")], &[up]);
    }

    #[test]
    fn a_circle_inside_a_room_is_found() {
        check(
            &[
                ("src/ground.rs", "pub mod cellar; use cellar::Barrel; pub struct Ground;"),
                ("src/ground/cellar.rs", "use super::Ground;"),
            ],
            &[
                "made-up: a circle inside ground: src/ground.rs → src/ground/cellar.rs → src/ground.rs\n    src/ground.rs:1 cellar::Barrel\n    src/ground/cellar.rs:1 super::Ground",
            ],
        );
    }

    #[test]
    fn a_circle_that_is_owed_is_no_problem_until_it_is_gone() {
        let owed = Plan { knotted: &["ground"], ..PLAN };
        let circle = [
            ("src/ground.rs", "pub mod cellar; use cellar::Barrel; pub struct Ground;"),
            ("src/ground/cellar.rs", "use super::Ground;"),
        ];
        check_plan(&owed, &circle, &[]);
        check_plan(&owed, &[], &["made-up: ground has no circle any more: its plan may say so"]);
    }

    #[test]
    fn a_forbidden_arrow_is_found() {
        check(
            &[("src/top.rs", "mod door; use crate::ground::cellar;")],
            &[
                "made-up: top must never name ground::cellar: it is dark\n    src/top.rs:1 crate::ground::cellar",
            ],
        );
    }

    #[test]
    fn what_the_root_defines_is_above_everybody() {
        check(
            &[("src/middle.rs", "use crate::{Below, ground::Ground};")],
            &[
                "made-up: what lib.rs defines has no room of its own, so who names it points up\n    src/middle.rs:1 crate::Below",
            ],
        );
    }

    #[test]
    fn rooms_and_rules_that_do_not_fit_the_plan_are_found() {
        check(
            &[
                ("src/lib.rs", "mod ground; mod attic; mod top;"),
                ("src/attic.rs", ""),
                ("src/top.rs", "use crate::ground::Ground;"),
            ],
            &[
                "made-up: its plan does not say where attic stands",
                "made-up: its plan has a room middle, which is not there",
                "made-up: a rule names top::door, which is not there",
            ],
        );
    }
}

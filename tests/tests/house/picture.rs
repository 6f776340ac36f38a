//! The house as people look at it: floors from the roof down, each room with its size and whom it knows.

use std::fmt::Write as _;

use crate::house::{House, ROOT};

pub(crate) fn picture(house: &House) -> String {
    let rooms = house.rooms();
    let floors = rooms.floors();
    let arrows: usize =
        rooms.known.iter().filter(|(room, _)| *room != ROOT).map(|(_, known)| known.len()).sum();
    let mut order: Vec<&str> = floors.keys().copied().filter(|room| *room != ROOT).collect();
    order.sort_by_key(|room| (std::cmp::Reverse(floors[room]), *room));
    let height =
        floors.iter().filter(|(room, _)| **room != ROOT).map(|(_, floor)| floor + 1).max().unwrap_or(0);
    let mut text = format!(
        "\n{}: {}, {}, {}, {}\n",
        house.name,
        counted(order.len(), "room"),
        counted(height, "floor"),
        counted(arrows, "arrow"),
        counted(house.files.values().map(|file| file.lines).sum(), "line"),
    );
    let width = order.iter().map(|room| room.len()).max().unwrap_or(0);
    for room in order {
        let files = house.files.values().filter(|file| file.room == room);
        let (count, lines) = files.fold((0, 0), |(count, lines), file| (count + 1, lines + file.lines));
        let known: Vec<&str> = rooms.known[room].iter().map(String::as_str).collect();
        let size = if count == 1 { String::new() } else { format!("in {count} files") };
        let arrow = if known.is_empty() { String::new() } else { format!("→ {}", known.join(", ")) };
        let line = format!("  {:>2}  {room:<width$}  {lines:>5} {size:<12} {arrow}", floors[room]);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_stand_on_their_floors() {
        let files = [
            ("src/lib.rs", "mod a;\nmod b;\nmod c;\n"),
            ("src/a.rs", "pub struct A;\n"),
            ("src/b.rs", "mod d;\nuse crate::a::A;\n"),
            ("src/b/d.rs", ""),
            ("src/c.rs", "use crate::{a::A, b};\n"),
        ];
        let house = House::read("shop", "src/lib.rs", &|name| {
            files.iter().find(|(file, _)| *file == name).map(|(_, text)| (*text).to_owned())
        });
        let expected = "\nshop: 3 rooms, 3 floors, 3 arrows, 7 lines\n   2  c      1              → a, b\n   1  b      2 in 2 files   → a\n   0  a      1\n";
        assert_eq!(picture(&house), expected);
    }
}

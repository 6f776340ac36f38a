//! The two texts of a configuration: what nginx runs, and what is imported.
//!
//! Both are made from one text with marks: `@@P3@@` for the place of that number, and `@@H4@@` for what only nginx is told.

use crate::plan::Place;

/// Files with marks, and what the marks stand for.
pub(super) struct Texts {
    /// Names and texts.
    pub(super) files: Vec<(String, String)>,
    /// Places by their number.
    pub(super) places: Vec<Place>,
    hidden: Vec<Hidden>,
    prefix: String,
}

struct Hidden {
    real: String,
    told: String,
}

impl Texts {
    /// None yet; names of variables begin with `prefix`.
    pub(super) fn of(prefix: &str) -> Self {
        Self { files: Vec::new(), places: Vec::new(), hidden: Vec::new(), prefix: prefix.to_owned() }
    }

    /// Takes a new place; answers its number and the line that marks it.
    pub(super) fn place(&mut self, place: Place) -> (usize, String) {
        self.places.push(place);
        let number = self.places.len() - 1;
        (number, format!("@@P{number}@@\n"))
    }

    /// What nginx runs as `real` is imported as `told`.
    pub(super) fn hide(&mut self, real: String, told: String) -> String {
        self.hidden.push(Hidden { real, told });
        format!("@@H{}@@", self.hidden.len() - 1)
    }

    /// What nginx runs.
    pub(super) fn real(&self) -> Vec<(String, String)> {
        let prefix = &self.prefix;
        self.resolved(&|hidden| hidden.real.clone(), &|place| {
            format!("set ${prefix}_at \"${{{prefix}_at}}/{place}\";")
        })
    }

    /// What is imported.
    pub(super) fn told(&self) -> Vec<(String, String)> {
        self.resolved(&|hidden| hidden.told.clone(), &|place| format!("# place {place}"))
    }

    fn resolved(
        &self,
        hidden: &dyn Fn(&Hidden) -> String,
        place: &dyn Fn(usize) -> String,
    ) -> Vec<(String, String)> {
        let text = |text: &String| {
            let mut text = text.clone();
            // What is hidden may hold other marks, of smaller numbers as well.
            while let Some((before, rest)) = text.split_once("@@") {
                let (mark, after) = rest.split_once("@@").expect("a mark has an end");
                let number: usize = mark[1..].parse().unwrap();
                let found = if mark.starts_with('H') { hidden(&self.hidden[number]) } else { place(number) };
                text = format!("{before}{found}{after}");
            }
            text
        };
        self.files.iter().map(|(name, written)| (name.clone(), text(written))).collect()
    }
}

/// One file as it stands, several as `nginx -T` prints them.
pub(super) fn printed(files: &[(String, String)]) -> String {
    let [(_, text)] = files else {
        let first =
            format!("# configuration file /etc/nginx/nginx.conf:\nhttp {{ include {}; }}\n", files[0].0);
        return files.iter().fold(first, |all, (name, text)| {
            format!("{all}\n# configuration file /etc/nginx/{name}:\n{text}\n")
        });
    };
    text.clone()
}

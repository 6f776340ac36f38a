//! Why a command did not do what it should, for people and for programs, and with which code it ends.

use std::ffi::OsString;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Output, RUNTIME, USAGE};

/// Why a command did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The user can mend it: a wrong argument, document or precondition.
    Usage(String),
    /// The server answered with a problem.
    Answered {
        /// In words.
        message: String,
        /// The problem (RFC 9457), as it came.
        problem: Box<Value>,
        /// Whether the user can mend it: a status below 500.
        mendable: bool,
    },
    /// The server or the system failed.
    Runtime(String),
}

impl Failure {
    /// Writes it to stderr; the code to end with.
    pub(super) fn tell(&self, output: Output) -> ExitCode {
        match output {
            Output::Text => eprintln!("antumbra: {}", self.message()),
            Output::Json => eprintln!("{:#}", self.problem()),
        }
        ExitCode::from(self.code())
    }

    /// In words.
    pub(super) fn message(&self) -> &str {
        match self {
            Self::Usage(message) | Self::Answered { message, .. } | Self::Runtime(message) => message,
        }
    }

    /// Whether the same may succeed later.
    pub(super) fn may_pass(&self) -> bool {
        self.code() == RUNTIME
    }

    /// As a problem: the server's own, or one in its form.
    fn problem(&self) -> Value {
        let (kind, title) = match self {
            Self::Answered { problem, .. } => return (**problem).clone(),
            Self::Usage(_) => ("usage", "wrong usage or configuration"),
            Self::Runtime(_) => ("runtime", "failed while running"),
        };
        json!({
            "type": format!("urn:antumbra:problem:{kind}"),
            "title": title,
            "detail": self.message(),
            "exitCode": self.code(),
        })
    }

    /// With which code the command ends.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Answered { mendable: true, .. } => USAGE,
            Self::Runtime(_) | Self::Answered { mendable: false, .. } => RUNTIME,
        }
    }
}

/// Whether arguments ask for JSON, be they right or wrong.
pub(super) fn output(args: &[OsString]) -> Output {
    let follows =
        args.windows(2).any(|pair| matches!(pair, [flag, form] if flag == "--output" && form == "json"));
    if follows || args.iter().any(|arg| arg == "--output=json") { Output::Json } else { Output::Text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_where_it_is_asked_for() {
        for (line, expected) in [
            ("antumbra status --output json", Output::Json),
            ("antumbra status --output=json --nonsense", Output::Json),
            ("antumbra status", Output::Text),
            ("antumbra status --output text", Output::Text),
            ("antumbra status --output", Output::Text),
            ("antumbra json --output", Output::Text),
        ] {
            let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert!(output(&args) == expected, "{line}");
        }
    }

    #[test]
    fn problems_have_one_form() {
        let usage = Failure::Usage("--wait is 7".to_owned()).problem();
        assert_eq!(
            usage,
            json!({"type": "urn:antumbra:problem:usage", "title": "wrong usage or configuration",
                "detail": "--wait is 7", "exitCode": 2})
        );
        assert_eq!(Failure::Runtime(String::new()).problem()["exitCode"], 4);
        let problem = json!({"type": "urn:antumbra:problem:unknown-release", "status": 404});
        for (mendable, code) in [(true, USAGE), (false, RUNTIME)] {
            let (message, problem) = ("no policy".to_owned(), Box::new(problem.clone()));
            let answered = Failure::Answered { message, problem: problem.clone(), mendable };
            assert_eq!((answered.problem(), answered.code()), (*problem, code));
            assert_eq!(answered.may_pass(), !mendable);
        }
    }
}

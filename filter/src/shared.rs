//! What the filter instances of one release share over all VMs of the proxy: who asks for the policy, and the policy.
//!
//! Two values for a release, whatever comes: a record of fixed size, and the document. What is done about them `exchange` decides.

use antumbra_exchange::{Mirroring, Step};

use crate::host;

/// Looks at the record, and does what follows from that.
pub(crate) fn confer(mirroring: &mut Mirroring) {
    if !mirroring.confers() {
        return;
    }
    let now = host::now();
    let record = key(mirroring, "poller");
    match mirroring.look(&host::shared(&record), now) {
        Step::Wait => {}
        Step::Read => mirroring.read(&host::shared(&key(mirroring, "policy")), now),
        Step::Write { document, record: written, over } => {
            if let Some(document) = document {
                host::share(&key(mirroring, "policy"), &document, 0);
            }
            // If it is another's by now, the next look says so.
            host::share(&record, &written, over);
        }
    }
}

/// Another layout of the record gets another number.
fn key(mirroring: &Mirroring, what: &str) -> String {
    format!("antumbra.1.{}.{what}", mirroring.release())
}

//! Why an observation did not arrive. What was mirrored and is not acknowledged is counted under one of these, or as unknown.

use crate::reason::reasons;

reasons! {
    /// Why the comparator certainly does not have an observation of a mirrored exchange.
    pub enum Undelivered {
        /// The observation could not be encoded.
        Unencodable = "unencodable", Lost;
        /// The observation is larger than a batch may be, even without its bodies.
        TooLarge = "too_large", Lost;
        /// The observations that waited for the comparator held as many bytes as `limits.bytesInFlight` allows.
        OutboxFull = "outbox_full", Lost;
        /// The comparator refused the batch for good.
        Refused = "refused", Lost;
        /// The comparator had no room for the batch, and none when it was sent again.
        Unavailable = "unavailable", Lost;
        /// The proxy could not send the batch, and not again either.
        NotSent = "not_sent", Lost;
        /// The filter instance ended before the batch was sent, or before the shadows answered.
        Shutdown = "shutdown", Lost;
    }
    Other means Lost;
}

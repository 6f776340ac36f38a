//! Why a request was not mirrored. Every request that ends at a filter either was, or is counted under one of these.

use crate::reason::reasons;

reasons! {
    /// Why a request was not mirrored.
    pub enum NotMirrored {
        /// The filter had no policy yet.
        NoPolicy = "no_policy", Chosen;
        /// The plugin configuration switches the filter off.
        Disabled = "disabled", Chosen;
        /// The plugin configuration names no comparator, so nothing can be compared.
        NoComparator = "no_comparator", Chosen;
        /// The host called for a stream that never showed a request.
        NoRequest = "no_request", Chosen;
        /// The host ended the same stream a second time.
        EndedTwice = "ended_twice", Chosen;
        /// No rule with a mirror for this request was reached.
        NoRule = "no_rule", Chosen;
        /// The mirror's share left this request out: this is how a sample is drawn, and thins none.
        NotSampled = "not_sampled", Chosen;
        /// The method may write, and the mirror does not allow that.
        UnsafeMethod = "unsafe_method", Chosen;
        /// The mirror's variant is red.
        Red = "red", Chosen;
        /// The request is a shadow itself.
        Shadow = "shadow", Chosen;
        /// The request asks for another protocol, so that no answer follows that could be compared.
        Upgrade = "upgrade", Chosen;
        /// The comparator had not answered for the policy's `lease`, so nobody would have taken the observation.
        Lease = "lease", Thinned;
        /// As many exchanges were recorded or waited for as `limits.exchangesInFlight` allows.
        ExchangesInFlight = "exchanges_in_flight", Thinned;
        /// The exchanges that were recorded or waited for may hold as many bytes as `limits.bytesInFlight` allows.
        BytesInFlight = "bytes_in_flight", Thinned;
        /// As many exchanges began to be mirrored in this second as `limits.mirroredPerSecond` allows.
        Rate = "rate", Thinned;
        /// The filter was in the middle of something else when the request began.
        Busy = "busy", Thinned;
        /// As many exchanges of the mirror waited for answers as its `maxInFlight` allows.
        MirrorInFlight = "mirror_in_flight", Thinned;
        /// The candidate did not answer others, and was spared.
        Breaker = "breaker", Thinned;
        /// The control did not answer others, and was spared; a candidate is not asked alone.
        ControlBreaker = "control_breaker", Thinned;
        /// The request's body is longer than the mirror's `maxBodyBytes`.
        RequestBodyTooLarge = "request_body_too_large", Excluded;
        /// The exchange lasted longer than the mirror's `timeout`: its shadows would have timed out.
        TooLong = "too_long", Excluded;
        /// The proxy gave the answer itself, so no version of the service did.
        LocalReply = "local_reply", Chosen;
        /// The answer broke off, for instance because the client left.
        ResponseIncomplete = "response_incomplete", Chosen;
        /// The answer was complete before the request's body, whose end never came.
        RequestIncomplete = "request_incomplete", Chosen;
        /// The host could not show the request's headers as finally routed.
        HeadersUnreadable = "headers_unreadable", Thinned;
        /// The exchange was complete, and the host never called to have it logged.
        Unlogged = "unlogged", Thinned;
        /// The exchange was complete after its filter instance had ended.
        Shutdown = "shutdown", Thinned;
    }
    Other means Thinned;
}

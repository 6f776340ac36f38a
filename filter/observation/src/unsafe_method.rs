//! Which method a request had that was not mirrored because its method may write.

use crate::reason::reasons;

reasons! {
    /// The method of a request that was not mirrored because of [`UnsafeMethod`](crate::NotMirrored::UnsafeMethod). `Other` is every method without a
    /// place of its own.
    pub enum UnsafeMethod {
        /// The request is a POST.
        Post = "POST", Chosen;
        /// The request is a PUT.
        Put = "PUT", Chosen;
        /// The request is a PATCH.
        Patch = "PATCH", Chosen;
        /// The request is a DELETE.
        Delete = "DELETE", Chosen;
    }
    Other means Chosen;
}

impl UnsafeMethod {
    /// The place of a method as it is written on the wire; methods are case-sensitive (RFC 9110, section 9.1).
    pub fn of(method: &[u8]) -> Self {
        let known = Self::ALL.iter().find(|known| known.as_str().as_bytes() == method);
        known.copied().unwrap_or(Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_method_is_known_as_it_is_written() {
        for (method, expected) in [
            ("POST", UnsafeMethod::Post),
            ("PUT", UnsafeMethod::Put),
            ("PATCH", UnsafeMethod::Patch),
            ("DELETE", UnsafeMethod::Delete),
            ("post", UnsafeMethod::Other),
            ("PROPFIND", UnsafeMethod::Other),
            ("other", UnsafeMethod::Other),
            ("", UnsafeMethod::Other),
        ] {
            assert_eq!(UnsafeMethod::of(method.as_bytes()), expected, "{method}");
        }
    }
}

//! The gateway's parsers, from their own files.
#![allow(dead_code, unused_imports, reason = "the gateway uses more of these files than the targets do")]

pub mod edge {
    pub mod http1 {
        #[path = "../../../../crates/gateway/src/edge/http1/answer.rs"]
        mod answer;
        #[path = "../../../../crates/gateway/src/edge/http1/checks.rs"]
        pub mod checks;
        #[path = "../../../../crates/gateway/src/edge/http1/chunked.rs"]
        mod chunked;
        #[path = "../../../../crates/gateway/src/edge/http1/field.rs"]
        mod field;
        #[path = "../../../../crates/gateway/src/edge/http1/request.rs"]
        mod request;
        #[path = "../../../../crates/gateway/src/edge/http1/scan.rs"]
        mod scan;

        /// The one function of the gateway's file that these need.
        mod prepare {
            pub(in crate::edge) fn push_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
                out.extend_from_slice(name);
                out.extend_from_slice(b": ");
                out.extend_from_slice(value);
                out.extend_from_slice(b"\r\n");
            }
        }
    }
}

mod phases {
    #[path = "../../../crates/gateway/src/phases/locate.rs"]
    mod locate;
    pub(crate) use locate::is_proxied;
}

mod limits {
    /// No limits: what they add to an answer is the gateway's own.
    pub(crate) struct Fields;

    impl Fields {
        pub(crate) fn replace(_name: &[u8]) -> bool {
            false
        }

        pub(crate) fn each(&self, _push: impl FnMut(&[u8], &[u8])) {}
    }
}

#[path = "../../crates/gateway/src/peer.rs"]
mod peer;

#[path = "../../crates/gateway/src/tests/forwarded.rs"]
pub mod forwarded;

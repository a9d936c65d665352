//! containerd, by `nerdctl`.
//!
//! Where to look next: `docker.rs`, whose words it speaks.

use super::{Tool, docker};

/// nerdctl.
pub static NERDCTL: Tool = Tool {
    name: "nerdctl",
    read: docker::read,
    other_oci_runtimes: &[],
    tells_want_of_memory: true,
    flags: &["--log-driver", "none"],
    own_ulimits: false,
    umask: true,
};

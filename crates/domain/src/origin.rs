//! The origin allowlist of a project.

//! The whole in containers: official images for a test, and the compose stack as a user runs it.
//!
//! Knows: the engine's client, projects, containers, published ports. Never: a part that is not the real one, but for
//! the venue; a container that outlives its test.

pub mod engine;
pub mod http;
pub mod project;

pub use project::Project;

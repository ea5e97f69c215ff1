//! A real browser that looks at the page of a running world.
//!
//! Knows: where a browser is, what one can do with a page, what it had to complain of.
//! Never: what stands on the page; the tests know that.

pub mod chromium;
pub mod tab;
pub mod visit;

pub use chromium::Chromium;
pub use tab::{Tab, Theme};
pub use visit::Visit;

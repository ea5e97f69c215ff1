//! venue-sim.

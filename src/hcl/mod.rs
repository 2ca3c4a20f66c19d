//! Text -> values that remember their place. Used by `config` and `terraform`; evaluates nothing.

mod place;

pub use place::Place;

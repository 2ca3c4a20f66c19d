//! Text -> values that remember their place. Used by `config` and `terraform`; evaluates nothing.

mod diagnostic;
mod parse;
mod place;
mod source;

pub use diagnostic::{Colour, Diagnostic, nearest, without_passwords};
pub use parse::{parse_body, parse_expression, parse_template};
pub use place::Place;
pub use source::{LARGEST_FILE, Source};

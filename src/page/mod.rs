//! What visitors see when they may not pass: the forms, the languages, the page.
//!
//! Rendered when the mode is set, never while a visitor waits. A template that cannot be rendered never opens the site:
//! the built-in page answers.

//! Text -> hcl-edit's tree, with hcl-edit's own errors put into our words. Evaluates nothing.
//!
//! hcl-edit refuses more than 64 nested levels itself, so no input overflows the stack.

use hcl_edit::Span;
use hcl_edit::expr::Expression;
use hcl_edit::structure::Body;
use hcl_edit::template::{HeredocTemplate, Template};
use hcl_edit::visit::{self, Visit};

use super::source::LARGEST_FILE;
use super::{Diagnostic, Source};

/// Conditionals in one file that may go on after a line break; each costs another pass.
const MOST_JOINS: usize = 64;

/// The attributes and blocks of a file.
pub fn parse_body(source: &Source) -> Result<Body, Diagnostic> {
    parse(source, hcl_edit::parser::parse_body, Heredocs::visit_body)
}

/// One expression, as a value in `-var` or a `TF_VAR_` variable.
pub fn parse_expression(source: &Source) -> Result<Expression, Diagnostic> {
    parse(source, hcl_edit::parser::parse_expr, Heredocs::visit_expr)
}

/// A template: what stands between quotes, or in a file that `templatefile` reads.
pub fn parse_template(source: &Source) -> Result<Template, Diagnostic> {
    parse(source, hcl_edit::parser::parse_template, Heredocs::visit_template)
}

fn parse<T>(
    source: &Source,
    parser: fn(&str) -> Result<T, hcl_edit::parser::Error>,
    visit: fn(&mut Heredocs, &T),
) -> Result<T, Diagnostic> {
    let text = source.text();
    if text.len() > LARGEST_FILE {
        let message = format!("larger than {} MiB", LARGEST_FILE / 1024 / 1024);
        return Err(source.diagnostic(0..0, message));
    }
    let mut joined: Option<String> = None;
    for _ in 0..MOST_JOINS {
        match parser(joined.as_deref().unwrap_or(text)) {
            Ok(tree) => {
                let mut heredocs = Heredocs::default();
                visit(&mut heredocs, &tree);
                let read = joined.as_deref().unwrap_or(text);
                if let Some(start) = heredocs.empty(read) {
                    let diagnostic = source.diagnostic(start..start + 2, "this heredoc is empty");
                    return Err(diagnostic.with_hint("write \"\" instead"));
                }
                return match heredocs.plain(read) {
                    Some(plain) => parser(&plain).map_err(|error| explain(source, &error)),
                    None => Ok(tree),
                };
            }
            Err(error) => {
                let at = error.location().offset();
                match join_after_colon(joined.as_deref().unwrap_or(text), at) {
                    Some(next) => joined = Some(next),
                    None => return Err(explain(source, &error)),
                }
            }
        }
    }
    Err(source.diagnostic(0..0, "too many conditionals go on in the next line after `:`"))
}

fn explain(source: &Source, error: &hcl_edit::parser::Error) -> Diagnostic {
    let at = error.location().offset();
    let rest = source.text().get(at..).unwrap_or_default();
    let end = rest.chars().next().map_or(at, |first| at + first.len_utf8());
    source.diagnostic(at..end, error.message().replace('\n', " "))
}

/// Where heredocs begin.
///
/// hcl-edit takes the indentation of `<<-` away otherwise than Terraform, and leaves no trace of what it took. So such a
/// text is parsed as if `<<` were written, with every span in its place, and whoever evaluates it looks at the text.
#[derive(Default)]
struct Heredocs(Vec<usize>);

impl Visit for Heredocs {
    fn visit_heredoc_template(&mut self, node: &HeredocTemplate) {
        self.0.extend(node.span().map(|span| span.start));
        visit::visit_heredoc_template(self, node);
    }
}

impl Heredocs {
    /// The first that ends on its second line: hcl-edit would go on to the next end of the same name.
    fn empty(&self, text: &str) -> Option<usize> {
        let ends_at_once = |start: &usize| {
            let mut lines = text.get(*start..).unwrap_or_default().lines();
            let name = lines.next().unwrap_or_default().trim_start_matches(['<', '-']);
            let name: String =
                name.chars().take_while(|c| c.is_alphanumeric() || "-_".contains(*c)).collect();
            lines.next().is_some_and(|line| line.trim() == name)
        };
        self.0.iter().copied().find(ends_at_once)
    }

    /// The text with ` <<EOT` for each `<<-EOT`; nothing where there is none.
    fn plain(&self, text: &str) -> Option<String> {
        let mut plain = String::with_capacity(text.len());
        let mut done = 0;
        for start in &self.0 {
            let Some(rest) = text.get(*start..).and_then(|rest| rest.strip_prefix("<<-")) else {
                continue;
            };
            let word = rest.find(char::is_whitespace).and_then(|end| rest.get(..end))?;
            plain.push_str(text.get(done..*start)?);
            plain.extend([" <<", word]);
            done = start + "<<-".len() + word.len();
        }
        plain.push_str(text.get(done..)?);
        (done > 0).then_some(plain)
    }
}

/// The text with the newlines between a `:` and what follows it made spaces, if the parser stopped there.
///
/// hcl-edit does not allow them inside `{ for .. }`, although Terraform does and widely used modules
/// (`cloudposse/label/null`) write them. The length stays, so that every span still points at what was written.
fn join_after_colon(text: &str, stopped: usize) -> Option<String> {
    let head = text.get(..stopped)?.trim_end();
    if !head.ends_with(':') {
        return None;
    }
    let gap = text.get(head.len()..)?;
    let gap_end = head.len() + (gap.len() - gap.trim_start().len());
    let between = text.get(head.len()..gap_end)?;
    between.contains('\n').then(|| {
        let blank = " ".repeat(between.len());
        format!("{head}{blank}{}", text.get(gap_end..).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Result<Body, Diagnostic> {
        parse_body(&Source::new("main.tf".into(), text))
    }

    #[test]
    fn a_broken_file_is_refused_at_the_place_where_it_breaks() {
        let error = body("a = 1\nb = = 2\n").unwrap_err();
        assert_eq!(error.place.unwrap().to_string(), "main.tf:2:5");
    }

    #[test]
    fn a_newline_after_the_colon_of_a_conditional_in_a_for_is_read() {
        let text = "x = { for k, v in m : k => v ? 1 :\n  2 }\ny = 3\n";
        let body = body(text).unwrap();
        assert_eq!(body.attributes().count(), 2);
    }

    #[test]
    fn an_empty_heredoc_is_refused_and_does_not_swallow_what_follows() {
        let error = body("a = <<EOT\nEOT\nb = <<EOT\nx\nEOT\n").unwrap_err();
        assert_eq!(error.place.unwrap().to_string(), "main.tf:1:5");
        assert!(body("a = <<-EOT\n  x\n  EOT\nb = <<EOT\nx\nEOT\n").is_ok());
    }

    #[test]
    fn deep_nesting_is_refused_and_not_followed_to_the_end_of_the_stack() {
        for (open, close) in [("[", "]"), ("(", ")"), ("{a=", "}"), ("\"${", "}\""), ("!", "")] {
            let text = format!("a = {}1{}\n", open.repeat(20_000), close.repeat(20_000));
            assert!(body(&text).is_err(), "{open}");
        }
        assert!(body(&format!("a = 1{}\n", "+1".repeat(20_000))).is_err());
        assert!(body(&"a {\n".repeat(20_000)).is_err());
        assert!(body(&format!("a = b{}\n", ".c".repeat(200_000))).is_ok());
        assert!(body(&format!("a = {}1{}\n", "x?1:".repeat(20_000), "")).is_err());
    }
}

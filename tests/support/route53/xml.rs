//! As much XML as Route 53 speaks: elements and text. Attributes are read over; everything unclosed is an error.

/// An element with its text and its children.
#[derive(Debug, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

/// Route 53's requests are six deep.
const DEEPEST: usize = 12;

impl Element {
    pub(crate) fn parse(text: &str) -> Result<Element, String> {
        let mut rest = text.trim();
        if rest.starts_with("<?") {
            rest = rest.split_once("?>").ok_or("an unclosed declaration")?.1;
        }
        let (element, rest) = element(rest.trim_start(), 0)?;
        match rest.trim() {
            "" => Ok(element),
            more => Err(format!("more after the end: {more}")),
        }
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text at the end of a path of names.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&str> {
        match path {
            [] => Some(&self.text),
            [first, rest @ ..] => self.child(first)?.at(rest),
        }
    }

    /// Every element of that name, at any depth.
    pub(crate) fn all(&self, name: &str) -> Vec<&Element> {
        let mut found: Vec<_> = self.children.iter().filter(|child| child.name == name).collect();
        found.extend(self.children.iter().flat_map(|child| child.all(name)));
        found
    }
}

fn element(text: &str, depth: usize) -> Result<(Element, &str), String> {
    if depth > DEEPEST {
        return Err("too deep".to_owned());
    }
    let rest = text.strip_prefix('<').ok_or_else(|| format!("no element at {text:.40}"))?;
    let (tag, mut rest) = rest.split_once('>').ok_or("an unclosed tag")?;
    let name = tag.trim_end_matches('/').split_whitespace().next().unwrap_or_default();
    let mut element = Element { name: name.to_owned(), ..Element::default() };
    if tag.ends_with('/') {
        return Ok((element, rest));
    }
    loop {
        let (said, after) = rest.split_at(rest.find('<').ok_or("an unclosed element")?);
        element.text.push_str(&unescape(said));
        if let Some(end) = after.strip_prefix("</") {
            let (closed, rest) = end.split_once('>').ok_or("an unclosed end tag")?;
            return if closed.trim() == name {
                Ok((element, rest))
            } else {
                Err(format!("<{name}> is closed by </{closed}>"))
            };
        }
        let (child, after) = self::element(after, depth + 1)?;
        element.children.push(child);
        rest = after;
    }
}

/// Text as it stands in an element.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&#39;", "'")
        .replace("&#34;", "\"")
        .replace("&amp;", "&")
}

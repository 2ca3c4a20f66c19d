//! Which site a request is for: by its Host, at the address that it came to. Exact names before wildcards, which stand for
//! one label; the port is not part of the name.

use std::collections::HashMap;
use std::sync::Arc;

/// The sites at one address.
#[derive(Debug)]
pub(super) struct Routes<S> {
    exact: HashMap<String, Arc<S>>,
    /// By what follows `*.`
    wildcard: HashMap<String, Arc<S>>,
    /// A site without hosts takes every Host.
    any: Option<Arc<S>>,
    /// The paths at which load balancers ask, whatever the Host.
    health: Vec<(String, Arc<S>)>,
}

impl<S> Default for Routes<S> {
    fn default() -> Self {
        Routes { exact: HashMap::new(), wildcard: HashMap::new(), any: None, health: Vec::new() }
    }
}

impl<S> Routes<S> {
    /// Adds a site with its hosts, in lower case. Who comes first keeps what both claim.
    pub(super) fn add(&mut self, hosts: &[String], lb_path: Option<&str>, site: &Arc<S>) {
        for host in hosts {
            let (map, name) = match host.strip_prefix("*.") {
                Some(parent) => (&mut self.wildcard, parent),
                None => (&mut self.exact, host.as_str()),
            };
            map.entry(name.to_owned()).or_insert_with(|| Arc::clone(site));
        }
        if hosts.is_empty() {
            self.any.get_or_insert_with(|| Arc::clone(site));
        }
        if let Some(path) = lb_path {
            self.health.push((path.to_owned(), Arc::clone(site)));
        }
    }

    /// The site of `host`, which may have a port.
    pub(super) fn site(&self, host: &str) -> Option<&Arc<S>> {
        let name = without_port(host);
        let name = name.strip_suffix('.').unwrap_or(name);
        let found = if name.bytes().any(|letter| letter.is_ascii_uppercase()) {
            self.named(&name.to_ascii_lowercase())
        } else {
            self.named(name)
        };
        found.or(self.any.as_ref())
    }

    fn named(&self, name: &str) -> Option<&Arc<S>> {
        let parent = || name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent));
        self.exact.get(name).or_else(parent)
    }

    /// The sites whose health is asked for at `path`.
    pub(super) fn health<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Arc<S>> {
        self.health.iter().filter(move |(asked, _)| asked == path).map(|(_, site)| site)
    }
}

/// `host:port` -> `host`, and an IPv6 address keeps its brackets.
pub(super) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn exact_names_come_before_wildcards_of_one_label_and_the_port_does_not_count() {
        let mut routes = Routes::default();
        routes.add(&hosts(&["*.example.com"]), None, &Arc::new("wild"));
        routes.add(&hosts(&["shop.example.com"]), None, &Arc::new("shop"));
        let site = |host: &str| routes.site(host).map(|site| **site);
        assert_eq!(site("shop.example.com"), Some("shop"));
        assert_eq!(site("Shop.Example.COM.:8443"), Some("shop"));
        assert_eq!(site("blog.example.com:80"), Some("wild"));
        assert_eq!(site("a.blog.example.com"), None, "a wildcard is one label");
        assert_eq!(site("example.com"), None);
        assert_eq!(site("[::1]:80"), None);
    }

    #[test]
    fn a_site_without_hosts_takes_what_no_other_takes() {
        let mut routes = Routes::default();
        routes.add(&[], None, &Arc::new("any"));
        routes.add(&hosts(&["a.example"]), Some("/up"), &Arc::new("a"));
        assert_eq!(routes.site("a.example").map(|site| **site), Some("a"));
        assert_eq!(routes.site("10.0.0.7:80").map(|site| **site), Some("any"));
        assert_eq!(routes.health("/up").count(), 1);
        assert_eq!(routes.health("/up/other").count(), 0, "the path is exact");
    }

    #[test]
    fn an_address_keeps_its_brackets() {
        assert_eq!(without_port("[::1]:80"), "[::1]");
        assert_eq!(without_port("[::1]"), "[::1]");
        assert_eq!(without_port("a:b"), "a:b");
    }
}

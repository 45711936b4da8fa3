//! axe-core in the browser: what keeps people out of a page. And what a page costs to load.
#![allow(clippy::unwrap_used, missing_docs, reason = "support of tests: panics are reports")]

use crate::browser::Browser;
use serde_json::Value;
use std::path::Path;

/// Where `compose/install.sh --tests` puts it.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/axe-core-4.10.3/axe.min.js");

/// WCAG 2.2 at level AA, and what its authors advise beyond that.
const TAGS: &str = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']";

/// Most that a page and all it needs may have, without pictures and sound.
const PAGE_BYTES_MAX: u64 = 150 * 1024;

/// axe-core, read once.
pub struct Axe {
    script: String,
}

impl Axe {
    pub fn load() -> Self {
        let file = Path::new(FILE);
        let axe = std::fs::read_to_string(file)
            .unwrap_or_else(|e| panic!("{}: {e}: run compose/install.sh --tests", file.display()));
        let script = format!(
            "const done = arguments[arguments.length - 1];
            if (!window.axe) {{ {axe} }}
            const line = (v) => v.nodes.map((n) => `${{v.id}}: ${{n.target.join(' ')}}: \\
                ${{n.failureSummary.replace(/\\s+/g, ' ')}} ${{n.html.slice(0, 120)}}`);
            axe.run(document, {{ runOnly: {{ type: 'tag', values: {TAGS} }},
                resultTypes: ['violations'] }})
                .then((r) => done(r.passes.length ? r.violations.flatMap(line) : ['axe-core saw nothing']), (e) => done([String(e)]));"
        );
        Self { script }
    }

    /// What is wrong with the page that is shown; empty if nothing is.
    pub async fn faults(&self, browser: &Browser) -> Vec<String> {
        let told = browser.client.execute_async(&self.script, Vec::new()).await.unwrap();
        told.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
    }
}

/// What is wrong with how the page that is shown was loaded: too much, or from somewhere else than
/// this domain and those below it.
pub async fn load_faults(browser: &Browser, domain: &str) -> Vec<String> {
    let script = "return [...performance.getEntriesByType('navigation'), \
        ...performance.getEntriesByType('resource')].map((e) => \
        [e.name, e.initiatorType, e.encodedBodySize]);";
    let entries = browser.ask(script).await;
    let mut faults = Vec::new();
    let mut bytes = 0;
    for entry in entries.as_array().unwrap() {
        let text = |n: usize| entry[n].as_str().unwrap_or_default();
        let size = entry[2].as_u64().unwrap();
        if !ours(text(0), domain) {
            faults.push(format!("asks somebody else: {}", text(0)));
        }
        if !is_medium(entry) {
            bytes += size;
        }
    }
    if bytes > PAGE_BYTES_MAX {
        faults.push(format!("{bytes} bytes; at most {PAGE_BYTES_MAX} are allowed"));
    }
    if bytes == 0 {
        faults.push("the browser tells no sizes".to_owned());
    }
    faults
}

/// Whether an entry is a picture or sound.
fn is_medium(entry: &Value) -> bool {
    let by = entry[1].as_str().unwrap_or_default();
    ["img", "image", "icon", "audio", "video"].contains(&by)
}

fn ours(url: &str, domain: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default();
    url.scheme() == "data" || host == domain || host.ends_with(&format!(".{domain}"))
}

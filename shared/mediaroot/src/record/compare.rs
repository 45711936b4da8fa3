//! Comparing what was read with what was there before. Touches nothing.

use super::{Fact, Known, Placed, Read, Record};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use tourbus_domain::{Accepted, Finding, FindingKind, VerifyReport};
use tourbus_protocol::TreePath;

/// Findings that are listed at most; all are counted.
pub const FINDINGS_MAX: usize = 1000;
/// Bytes of paths in that list at most: it travels in one message.
const PATH_BYTES_MAX: usize = 256 << 10;

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// What the files were; none at a first reading.
    pub before: Option<&'a Record>,
    /// What was read.
    pub read: &'a BTreeMap<TreePath, Fact>,
    /// What Tourbus has written since `before`.
    pub placed: &'a Placed,
    /// Songs that the page names and that are not there.
    pub lost: &'a [TreePath],
    /// Findings that a person has called right.
    pub accepted: &'a [Accepted],
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// What the files are to be from now on.
    pub record: Record,
    /// What is to be told; without `took_ms`.
    pub report: VerifyReport,
}

/// What becomes of one file.
enum Verdict {
    /// It is what it was.
    Unchanged(Known),
    /// Tourbus, or a person's word, has made it what it is; none for one that is gone.
    New(Option<Known>),
    /// It is wrong, and to be what it was, if it was known.
    Wrong(Finding, Option<Known>),
}

impl Comparison<'_> {
    /// Compares.
    pub fn run(self) -> Compared {
        let mut files = BTreeMap::new();
        let mut findings = Vec::new();
        let mut report =
            VerifyReport { first_reading: self.before.is_none(), ..VerifyReport::default() };
        let accepted: HashMap<&str, &str> =
            self.accepted.iter().map(|a| (a.path.as_str(), a.state.as_str())).collect();
        for path in self.paths() {
            let (known, fact) = (self.known(path), self.read.get(path));
            if let Some(Fact { size, read: Read::Pieces(_), .. }) = fact {
                report.files += 1;
                report.bytes += size;
            }
            match self.judge(path, known, fact, accepted.get(path.to_string().as_str())) {
                Verdict::Unchanged(known) => {
                    report.unchanged += 1;
                    files.insert(path.clone(), known);
                }
                Verdict::New(known) => {
                    // At a first reading nothing is new: nothing is known.
                    report.placed += u64::from(!report.first_reading);
                    files.extend(known.map(|k| (path.clone(), k)));
                }
                Verdict::Wrong(finding, known) => {
                    findings.push(finding);
                    files.extend(known.map(|k| (path.clone(), k)));
                }
            }
        }
        let gone = self.gone();
        self.add_lost(&mut findings, &gone);
        for finding in &findings {
            report.count(finding.kind);
        }
        report.findings = listed(findings);
        Compared { record: Record { gone, ..Record::new(files) }, report }
    }

    fn paths(&self) -> BTreeSet<&TreePath> {
        let before = self.before.into_iter().flat_map(|r| r.files.keys());
        before.chain(self.read.keys()).collect()
    }

    fn known(&self, path: &TreePath) -> Option<&Known> {
        self.before.and_then(|r| r.files.get(path))
    }

    fn judge(
        &self,
        path: &TreePath,
        known: Option<&Known>,
        fact: Option<&Fact>,
        accepted: Option<&&str>,
    ) -> Verdict {
        let placed = || self.placed.has(path);
        let state = fact.map_or_else(String::new, Fact::state);
        let right = || accepted.is_some_and(|a| **a == state);
        let wrong = |kind| {
            let finding = finding(path, kind, known, fact, &state);
            Verdict::Wrong(finding, known.cloned())
        };
        let (known, fact) = match (known, fact) {
            (_, Some(Fact { read: Read::Fault(_), .. })) => return wrong(FindingKind::Unreadable),
            (_, None) if placed() || right() => return Verdict::New(None),
            (_, None) => return wrong(FindingKind::Missing),
            (None, Some(fact)) => {
                let ours = self.before.is_none() || placed() || right();
                return if ours {
                    Verdict::New(fact.known())
                } else {
                    wrong(FindingKind::Untracked)
                };
            }
            (Some(known), Some(fact)) => (known, fact),
        };
        let now = fact.known();
        if now.as_ref().is_some_and(|n| n.size == known.size && n.pieces == known.pieces) {
            return Verdict::Unchanged(now.unwrap_or_else(|| known.clone()));
        }
        let untouched = (fact.size, fact.mtime) == (known.size, known.mtime);
        if right() || (placed() && !untouched) {
            return Verdict::New(now);
        }
        wrong(if untouched { FindingKind::Corrupt } else { FindingKind::Changed })
    }

    /// What the page names, is not there, and was called right; now or before.
    fn gone(&self) -> BTreeSet<TreePath> {
        let accepted = |path: &TreePath| {
            let path = path.to_string();
            // What is missing has no state.
            self.accepted.iter().any(|a| a.path == path && a.state.is_empty())
        };
        let before = |path: &TreePath| self.before.is_some_and(|b| b.gone.contains(path));
        self.lost.iter().filter(|p| before(p) || accepted(p)).cloned().collect()
    }

    /// What the page names is missing even if nothing else was ever known of it.
    fn add_lost(&self, findings: &mut Vec<Finding>, gone: &BTreeSet<TreePath>) {
        let told: HashSet<String> = findings.iter().map(|f| f.path.clone()).collect();
        for path in self.lost.iter().filter(|p| !gone.contains(*p)) {
            if !told.contains(&path.to_string()) {
                findings.push(finding(path, FindingKind::Missing, self.known(path), None, ""));
            }
        }
    }
}

fn finding(
    path: &TreePath,
    kind: FindingKind,
    known: Option<&Known>,
    fact: Option<&Fact>,
    state: &str,
) -> Finding {
    let now = fact.and_then(Fact::known);
    let pieces = |k: Option<&Known>| k.map(|k| k.pieces.clone()).unwrap_or_default();
    let (was, is) = (pieces(known), pieces(now.as_ref()));
    let at = was.iter().zip(&is).position(|(a, b)| a != b);
    // Without a counterpart there is no piece that differs: then the first one stands for it.
    let at =
        at.unwrap_or(if was.is_empty() || is.is_empty() { 0 } else { was.len().min(is.len()) });
    let offset: u64 = was.iter().chain(&is).take(at).map(|p| p.len).sum();
    let hash = |pieces: &[super::Piece]| pieces.get(at).map(|p| p.blake3.to_string());
    let parts = was.len().max(is.len());
    Finding {
        path: path.to_string(),
        kind,
        bytes_expected: known.map(|k| k.size),
        bytes_actual: fact.map(|f| f.size),
        offset: (parts > 1).then_some(offset),
        blake3_expected: hash(&was),
        blake3_actual: hash(&is),
        state: state.to_owned(),
        detail: match fact.map(|f| &f.read) {
            Some(Read::Fault(why)) => Some(why.clone()),
            _ => None,
        },
    }
}

/// The worst first, as many as one message holds.
fn listed(mut findings: Vec<Finding>) -> Vec<Finding> {
    let rank = |f: &Finding| FindingKind::ALL.iter().position(|k| *k == f.kind);
    findings.sort_by(|a, b| (rank(a), &a.path).cmp(&(rank(b), &b.path)));
    let mut bytes = 0;
    findings.truncate(FINDINGS_MAX);
    findings.retain(|f| {
        bytes += f.path.len();
        bytes <= PATH_BYTES_MAX
    });
    findings
}

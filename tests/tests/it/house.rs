//! The house rules that a compiler does not know. Each failure names the place and the remedy.

use std::{
    fs,
    path::{Path, PathBuf},
};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 100;
const BLOB_BYTES_MAX: u64 = 1 << 20;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Files that git tracks.
fn tracked() -> Vec<PathBuf> {
    let out = std::process::Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(out.status.success(), "git ls-files failed: run the tests in a git checkout");
    let text = String::from_utf8(out.stdout).unwrap();
    text.split('\0').filter(|p| !p.is_empty()).map(|p| root().join(p)).collect()
}

fn rust_files() -> Vec<(PathBuf, String)> {
    tracked()
        .into_iter()
        .filter(|p| p.extension().is_some_and(|e| e == "rs") && p.exists())
        .map(|p| (p.clone(), fs::read_to_string(&p).unwrap()))
        .collect()
}

fn report(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn files_are_short() {
    let long = |(p, text): &(PathBuf, String)| {
        let lines = text.lines().count();
        (lines > FILE_LINES_MAX)
            .then(|| format!("{}: {lines} lines; split it at {FILE_LINES_MAX}", p.display()))
    };
    report(&rust_files().iter().filter_map(long).collect::<Vec<_>>());
}

/// rustfmt puts a function's closing brace at the indentation of its `fn`, so no parser is needed.
fn long_functions(path: &Path, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut faults = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let is_fn = [
            "fn ",
            "pub fn ",
            "async fn ",
            "pub async fn ",
            "pub(crate) fn ",
            "pub(crate) async fn ",
            "pub(super) fn ",
            "pub(super) async fn ",
            "const fn ",
            "pub const fn ",
        ]
        .iter()
        .any(|p| code.starts_with(p));
        if !is_fn {
            continue;
        }
        let indent = line.len() - code.len();
        let close = format!("{}}}", " ".repeat(indent));
        let Some(len) = lines[start..].iter().position(|l| *l == close) else { continue };
        if len > FUNCTION_LINES_MAX {
            let at = format!("{}:{}", path.display(), start + 1);
            faults
                .push(format!("{at}: a function of {len} lines; split it at {FUNCTION_LINES_MAX}"));
        }
    }
    faults
}

#[test]
fn functions_fit_a_screen() {
    let faults = rust_files().iter().flat_map(|(p, t)| long_functions(p, t)).collect::<Vec<_>>();
    report(&faults);
}

#[test]
fn each_real_part_is_imported_by_one_crate() {
    let homes = [
        ("lapin", "shared/broker"),
        ("aws-sdk-s3", "shared/staging"),
        ("sqlx", "shared/store"),
        ("s3s", "services/staging"),
    ];
    let mut faults = Vec::new();
    for manifest in tracked().into_iter().filter(|p| p.ends_with("Cargo.toml")) {
        let dir = manifest.parent().unwrap().strip_prefix(root()).unwrap().to_owned();
        if dir.as_os_str().is_empty() {
            continue;
        }
        let text = fs::read_to_string(&manifest).unwrap();
        for (name, home) in homes {
            let used = text
                .lines()
                .any(|l| l.starts_with(&format!("{name}.")) || l.starts_with(&format!("{name} ")));
            if used && dir != Path::new(home) {
                faults.push(format!("{}: {name} belongs to {home} only", manifest.display()));
            }
        }
    }
    report(&faults);
}

#[test]
fn dependencies_point_one_way() {
    // Lower layers first; a crate may depend on lower ones only.
    let layers: [&[&str]; 5] = [
        &["domain"],
        &["protocol", "config", "telemetry", "tls", "http", "supervisor", "lofi"],
        &["mediaroot", "staging", "broker", "store", "topology"],
        &["web", "coordinator", "worker", "media", "staging-server", "agent", "adopt", "cli"],
        &["joined"],
    ];
    let layer_of = |name: &str| layers.iter().position(|l| l.contains(&name));
    let mut faults = Vec::new();
    for manifest in tracked().into_iter().filter(|p| p.ends_with("Cargo.toml")) {
        let text = fs::read_to_string(&manifest).unwrap();
        let name = text.lines().find_map(|l| l.strip_prefix("name = \"tourbus-"));
        let Some(own) = name.and_then(|n| layer_of(n.trim_end_matches('"'))) else { continue };
        let normal = text.split("[dev-dependencies]").next().unwrap();
        for line in normal.lines().filter_map(|l| l.strip_prefix("tourbus-")) {
            let dependency = line.split('.').next().unwrap();
            if layer_of(dependency).is_none_or(|d| d > own || (d == own && own == 3)) {
                faults.push(format!("{}: must not depend on {dependency}", manifest.display()));
            }
        }
    }
    report(&faults);
}

#[test]
fn nothing_unfinished_and_no_large_blob() {
    let marks = ["todo!(", "unimplemented!(", concat!("FIX", "ME"), concat!("TO", "DO")];
    let mut faults = Vec::new();
    for (path, text) in rust_files() {
        if path.ends_with("house.rs") {
            continue;
        }
        for (n, line) in text.lines().enumerate() {
            if marks.iter().any(|m| line.contains(m)) {
                faults.push(format!("{}:{}: finish it or take it out", path.display(), n + 1));
            }
        }
    }
    for path in tracked().into_iter().filter(|p| p.exists()) {
        let bytes = fs::metadata(&path).unwrap().len();
        if bytes > BLOB_BYTES_MAX {
            faults.push(format!(
                "{}: {bytes} bytes; keep blobs out of the repository",
                path.display()
            ));
        }
    }
    report(&faults);
}

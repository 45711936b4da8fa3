//! `tourbus admin …`: the way in for whoever may read web's configuration.

use super::fixture::{PASSWORD, Web};
use std::{
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

fn config(web: &Web, dir: &Path) -> PathBuf {
    let path = dir.join("web.toml");
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
    let (database, url) = (&web.database, &web.url);
    write!(
        file,
        "listen = '127.0.0.1:0'\n\
         cluster = {{ main_domain = '127.0.0.1', main_url = '{url}' }}\n\
         database = {{ url = '{database}' }}\n\
         management = {{ url = '{url}', vhost = '/', user = 'nobody', password = 'none' }}\n"
    )
    .unwrap();
    path
}

/// Runs the command with this on its standard input; whether it went well, and all it said.
fn admin(config: &Path, args: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new(tourbus_local::find_tourbus().unwrap())
        .arg("admin")
        .args(args)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have ended without reading.
    let _ended = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

async fn signs_in(web: &Web, email: &str, password: &str) -> bool {
    let form =
        format!("email={}&password={}", email.replace('@', "%40"), password.replace(' ', "+"));
    let status = web.post_form("/sign-in", form).send().await.unwrap().status();
    assert!([303, 401].contains(&status.as_u16()), "{status}");
    status == 303
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_is_made_and_let_in_again_from_the_command_line() {
    let web = Web::start("web_admin").await;
    let dir = tempfile::tempdir().unwrap();
    let config = config(&web, dir.path());

    let (ok, said) = admin(&config, &["create", "--email", "new@test.example"], "");
    assert!(ok && said.contains("new@test.example is an admin now."), "{said}");
    let drawn = said.lines().find_map(|l| l.strip_prefix("password: ")).unwrap();
    assert!(signs_in(&web, "new@test.example", drawn).await);

    // The same again is refused, and says what to do instead; a weak password as well.
    let (ok, said) = admin(&config, &["create", "--email", "new@test.example"], "");
    assert!(!ok && said.contains("reset-password"), "{said}");
    let weak = ["create", "--email", "weak@test.example", "--password-stdin"];
    let (ok, said) = admin(&config, &weak, "password1234\n");
    assert!(!ok && !signs_in(&web, "weak@test.example", "password1234").await, "{said}");

    // Whoever was signed in with the old password is out; the new one lets in.
    let cookie = web.sign_in("viewer").await;
    let own = |cookie: String| web.get("/account").header("cookie", cookie).send();
    assert_eq!(own(cookie.clone()).await.unwrap().status(), 200);
    let reset = ["reset-password", "--email", "viewer@test.example", "--password-stdin"];
    let (ok, said) = admin(&config, &reset, "stapled battery horse\n");
    assert!(ok && said.contains("1 of its sessions were ended"), "{said}");
    assert_eq!(own(cookie).await.unwrap().status(), 303);
    assert!(!signs_in(&web, "viewer@test.example", PASSWORD).await);
    assert!(signs_in(&web, "viewer@test.example", "stapled battery horse").await);

    // An email that is nobody's is answered with those that exist.
    let (ok, said) = admin(&config, &["reset-password", "--email", "nobody@test.example"], "");
    assert!(!ok && said.contains("admin@test.example (admin)"), "{said}");

    let (_, log) = web.api("/audit?actor=command%20line").await;
    let deeds: Vec<&str> =
        log["items"].as_array().unwrap().iter().map(|d| d["action"].as_str().unwrap()).collect();
    assert_eq!(deeds, ["account.reset", "account.create"], "{log}");
    web.finish().await;
}

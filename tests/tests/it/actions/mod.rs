//! What people do on the pages of the control room, in a real Chromium on the real parts.

mod balance;
mod batches;
mod hidden;
mod job;
mod jobs;
mod keyboard;
mod lanes;
mod letters;
mod limits;
mod notice;
mod readings;
mod webhooks;

use crate::browser::{sign_in_as, sign_in_operator};
use std::time::Duration;
use tourbus_tests::{browser::Browser, support::Cluster, wait};

const MINUTE: Duration = Duration::from_secs(60);

/// Somebody who is signed in.
struct Person {
    browser: Browser,
    main: String,
}

impl Person {
    async fn admin(cluster: &Cluster) -> Self {
        let (main, email, password) = cluster.admin();
        Self::sign_in(main, &email, &password).await
    }

    async fn operator(cluster: &Cluster) -> Self {
        let browser = Browser::start(1280, false).await;
        sign_in_operator(&browser, cluster).await;
        Self { browser, main: cluster.admin().0 }
    }

    async fn sign_in(main: String, email: &str, password: &str) -> Self {
        let browser = Browser::start(1280, false).await;
        sign_in_as(&browser, &main, email, password).await;
        Self { browser, main }
    }

    async fn open(&self, path: &str) {
        self.browser.client.goto(&format!("{}{path}", self.main)).await.unwrap();
    }

    async fn press(&self, name: &str) {
        self.browser.press(name).await;
    }

    async fn click(&self, css: &str) {
        self.browser.click(css).await;
    }

    async fn put(&self, css: &str, text: &str) {
        self.browser.put(css, text).await;
    }

    /// Opens a list, and ticks these of it.
    async fn tick(&self, list: &str, ids: &[String]) {
        self.open(list).await;
        for id in ids {
            self.click(&format!("input[name='id'][value='{id}']")).await;
        }
    }

    /// What a field holds.
    async fn typed(&self, css: &str) -> String {
        let field = self.browser.find(css).await;
        field.prop("value").await.unwrap().unwrap_or_default()
    }

    async fn count(&self, css: &str) -> u64 {
        let script = format!("return document.querySelectorAll({css:?}).length;");
        self.browser.ask(&script).await.as_u64().unwrap()
    }

    /// That the page tells this.
    async fn is_told(&self, what: &str) {
        let told = self.browser.text("main").await;
        assert!(told.contains(what), "{what:?} is not told:\n{told}");
    }

    /// That the first element that matches is on the screen.
    async fn is_on_screen(&self, css: &str) {
        let script = format!(
            "const r = document.querySelector({css:?}).getBoundingClientRect();
            return [r.top, innerHeight - r.bottom];"
        );
        let free = self.browser.ask(&script).await;
        let inside = free.as_array().unwrap().iter().all(|px| px.as_f64().unwrap() >= 0.0);
        assert!(inside, "{css} is beyond the screen: {free}");
    }

    /// Until this part of the page fits; the page is read anew until then.
    async fn reads(&self, css: &str, what: &str, fits: impl Fn(&str) -> bool) {
        let told = || async {
            self.browser.client.refresh().await.unwrap();
            self.browser.text(css).await
        };
        wait::until(what, MINUTE, told, |text| fits(text)).await;
    }

    /// Until a page that is shown live tells this by itself.
    async fn sees(&self, css: &str, what: &str) {
        let told = || self.browser.text(css);
        wait::until(what, MINUTE, told, |text| text.contains(what)).await;
    }

    async fn leave(self) {
        self.browser.close().await;
    }
}

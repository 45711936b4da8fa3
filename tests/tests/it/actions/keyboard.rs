//! Artists are moved with keys alone, and whoever looks sees where the focus is.

use super::MINUTE;
use crate::quarantine::several;
use fantoccini::{
    Locator,
    actions::{InputSource, KeyAction, KeyActions},
    key::Key,
};
use serde_json::Value;
use tourbus_tests::{browser::Browser, support::Cluster, wait};

/// More steps than any of these pages needs.
const STEPS_MAX: usize = 60;

/// What has the focus: whether it fits, and whether somebody sees that it has it.
const FOCUS: &str = "
    const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
    const spots = [[.5, .5], [.1, .1], [.9, .1], [.1, .9], [.9, .9]];
    const hit = ([x, y]) => document.elementFromPoint(r.left + r.width * x, r.top + r.height * y);
    const outlined = s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2
        && s.outlineColor !== 'rgba(0, 0, 0, 0)';
    return { what: e.outerHTML.slice(0, 160), outlined,
        uncovered: spots.some((spot) => e.contains(hit(spot))) };";

/// Hands that have a keyboard and nothing else.
struct Hands {
    browser: Browser,
}

impl Hands {
    async fn chord(&self, keys: &[char]) {
        let mut all = KeyActions::new("keyboard".to_owned());
        for key in keys {
            all = all.then(KeyAction::Down { value: *key });
        }
        for key in keys.iter().rev() {
            all = all.then(KeyAction::Up { value: *key });
        }
        self.browser.client.perform_actions(all).await.unwrap();
    }

    async fn key(&self, key: impl Into<char>) {
        self.chord(&[key.into()]).await;
    }

    async fn write(&self, text: &str) {
        for key in text.chars() {
            self.key(key).await;
        }
    }

    /// That whoever looks sees where the focus is.
    async fn is_seen(&self) -> Value {
        let focus = self.browser.ask(FOCUS).await;
        assert!(focus["outlined"] == true, "no outline: {focus}");
        assert!(focus["uncovered"] == true, "covered, or beyond the screen: {focus}");
        focus
    }

    async fn is_at(&self, css: &str) -> bool {
        self.browser.ask(&format!("return document.activeElement.matches({css:?});")).await == true
    }

    async fn go(&self, keys: &[char], css: &str) {
        let mut passed = Vec::new();
        while passed.len() < STEPS_MAX {
            self.chord(keys).await;
            passed.push(self.is_seen().await["what"].clone());
            if self.is_at(css).await {
                return;
            }
        }
        panic!("{css} cannot be reached: {passed:#?}");
    }

    async fn tab_to(&self, css: &str) {
        self.go(&[Key::Tab.into()], css).await;
    }

    async fn back_to(&self, css: &str) {
        self.go(&[Key::Shift.into(), Key::Tab.into()], css).await;
    }

    async fn arrow_to(&self, css: &str) {
        self.go(&[Key::Down.into()], css).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn artists_are_moved_with_keys_alone_and_the_focus_is_always_seen() {
    let cluster = Cluster::start("page_keyboard").await;
    let mut artists = several(&cluster, "master", 11).await;
    artists.extend(several(&cluster, "server2", 1).await);
    let (main, email, password) = cluster.admin();
    let hands = Hands { browser: Browser::start(1280, false).await };
    hands.browser.client.goto(&format!("{main}/sign-in")).await.unwrap();
    hands.browser.find("#email:focus").await;
    hands.write(&email).await;
    hands.tab_to("#password").await;
    hands.write(&password).await;
    hands.key(Key::Enter).await;
    hands.browser.find("nav a[href='/move']").await;

    // Past the menu, and back to it.
    hands.key(Key::Tab).await;
    assert!(hands.is_at("a.skip").await, "{}", hands.is_seen().await);
    hands.is_seen().await;
    hands.browser.picture("keyboard-skip").await;
    hands.key(Key::Enter).await;
    hands.key(Key::Tab).await;
    assert!(hands.is_at("main *").await, "skipped nothing: {}", hands.is_seen().await);
    hands.back_to("nav a[href='/move']").await;
    hands.key(Key::Enter).await;

    hands.browser.find("#move-form").await;
    hands.tab_to("#filter").await;
    // `Artist 1`, `Artist 10` and `Artist 11`, of which the last lives there already.
    hands.write("Artist 1").await;
    hands.browser.find(".list-head[data-filter='Artist 1'][data-matching='3']").await;
    hands.tab_to("#sort").await;
    hands.key(Key::Down).await;
    let at = || async { hands.browser.client.current_url().await.unwrap().to_string() };
    wait::until("another order", MINUTE, at, |url| url.contains("sort=")).await;
    for n in [1, 11] {
        let tick = format!("[id='a-{}']", artists[n].id);
        hands.browser.find(&tick).await;
        let ticked = format!("{tick}:checked");
        if n == 1 {
            hands.tab_to(&tick).await;
        } else {
            // Sorted by something else, it may be above.
            hands.back_to("#home").await;
            hands.tab_to(&tick).await;
        }
        hands.key(' ').await;
        hands.browser.find(&ticked).await;
    }
    let summary = hands.browser.text("#summary").await;
    assert!(summary.starts_with("2 artists chosen"), "{summary}");

    hands.tab_to("input[name='target_server_id']").await;
    let target = format!("input[value='{}']", cluster.server_id("server2"));
    hands.arrow_to(&target).await;
    hands.browser.find(&format!("{target}:checked")).await;
    hands.tab_to("#reason").await;
    hands.write("by keys").await;
    hands.tab_to("#move-form button.primary[value='move']").await;
    hands.browser.picture("keyboard-move").await;
    hands.key(Key::Enter).await;
    hands.browser.find("dialog[open]").await;
    hands.is_seen().await;
    hands.browser.picture("keyboard-dialog").await;
    hands.tab_to("#refusals-go").await;
    hands.key(Key::Enter).await;

    hands.browser.find("#batch").await;
    let done = Locator::XPath("//*[@data-text='moved' and text()='1']");
    hands.browser.client.wait().at_most(MINUTE).for_element(done).await.unwrap();
    assert!(hands.browser.text("#head").await.contains("by keys"));
    assert_eq!(cluster.home(&artists[1]).await, "server2");
    assert_eq!(cluster.home(&artists[10]).await, "master");
    // What is there to be done goes round by keys, too.
    hands.tab_to("li[data-job] a.artist").await;
    hands.key(Key::Enter).await;
    hands.browser.find("section.report").await;
    hands.browser.close().await;
    cluster.finish().await;
}

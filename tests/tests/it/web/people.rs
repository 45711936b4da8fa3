//! An admin's pages about people, in a real browser.

use super::fixture::{PASSWORD, Web};
use fantoccini::Locator;
use tourbus_tests::browser::Browser;

async fn fill(browser: &Browser, css: &str, text: &str) {
    let field = browser.find(css).await;
    field.clear().await.unwrap();
    field.send_keys(text).await.unwrap();
}

async fn sign_in(browser: &Browser, web: &Web) {
    browser.client.goto(&format!("{}/sign-in?next=/accounts", web.url)).await.unwrap();
    fill(browser, "#email", "admin@test.example").await;
    fill(browser, "#password", PASSWORD).await;
    browser.click("form.card button.primary").await;
    browser.text("a[href='/accounts/new']").await;
}

/// Keeps pictures of the pages, for people to look at.
async fn look_around(browser: &Browser, web: &Web, account: &str, name: &str) {
    for (page, path) in [
        ("accounts", "/accounts".to_owned()),
        ("account", account.to_owned()),
        ("account-delete", format!("{account}/delete")),
        ("own", "/account".to_owned()),
        ("audit", "/audit".to_owned()),
    ] {
        browser.client.goto(&format!("{}{path}", web.url)).await.unwrap();
        browser.text("h1").await;
        browser.picture(&format!("people-{page}-{name}")).await;
        let wide = "return document.documentElement.scrollWidth - window.innerWidth";
        let wide = browser.client.execute(wide, Vec::new()).await.unwrap();
        assert!(wide.as_i64().unwrap() <= 0, "{path} at {name} is {wide} px too wide");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_makes_an_account_and_a_token() {
    let web = Web::start("web_people").await;
    let browser = Browser::start(1280, false).await;
    sign_in(&browser, &web).await;
    browser.click("a[href='/accounts/new']").await;
    fill(&browser, "#email", "maria@test.example").await;
    fill(&browser, "#password", "password1234").await;
    browser.click("form.card button.primary").await;
    let told = browser.text("form.card .notice.bad").await;
    assert!(told.contains("easily guessed"), "{told}");
    browser.picture("people-refused-light").await;
    fill(&browser, "#password", "several plain words").await;
    browser.click("form.card button.primary").await;
    browser.text("a[href='/accounts/new']").await;
    let link = browser.client.find(Locator::LinkText("maria@test.example")).await.unwrap();
    let account = link.attr("href").await.unwrap().unwrap();

    browser.client.goto(&format!("{}/account", web.url)).await.unwrap();
    fill(&browser, "#label", "backup script").await;
    browser.click("form[action^='/account/tokens'] button.primary").await;
    let token = browser.text(".fresh code").await;
    browser.picture("people-token-light").await;
    let answer = web.get("/api/v1/servers").bearer_auth(&token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    look_around(&browser, &web, &account, "light").await;
    browser.close().await;
    for (name, width, dark) in [("dark", 1280, true), ("phone", 390, false)] {
        let browser = Browser::start(width, dark).await;
        sign_in(&browser, &web).await;
        look_around(&browser, &web, &account, name).await;
        browser.close().await;
    }
    web.finish().await;
}

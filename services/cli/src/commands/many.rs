//! Asking the same of many jobs or batches at once.

use crate::{
    Ended, client,
    error::CliError,
    numbers::count,
    screen::{self, Screen},
    view::{BatchesSteered, Steered},
    when,
};
use serde_json::{Map, Value, json};

/// What is done to them, in words.
pub struct Deed {
    /// `batch`.
    pub one: &'static str,
    /// `batches`: also where they are in the API.
    pub many: &'static str,
    /// In the address.
    pub verb: &'static str,
    /// `paused`.
    pub done: &'static str,
    /// Whether it is asked first, though each is named.
    pub grave: bool,
}

impl Deed {
    fn counted(&self, n: i64) -> String {
        format!("{} {}", count(n), if n == 1 { self.one } else { self.many })
    }
}

/// A list's query as the body of a request has it.
pub fn filter<const N: usize>(query: [(&'static str, Option<String>); N]) -> Value {
    let said = query.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
    Value::Object(said.collect::<Map<_, _>>())
}

/// What is told of jobs of batches; nothing where jobs are asked themselves.
fn of_batches(answer: &Value) -> Result<Option<BatchesSteered>, CliError> {
    answer["jobs"].is_number().then(|| client::read(answer.clone())).transpose()
}

/// Counts them, asks whether they are meant, and does it. `body` has either `ids` or `filter`.
pub async fn ask(
    screen: &Screen,
    deed: &Deed,
    mut body: Value,
    yes: bool,
) -> Result<Ended, CliError> {
    let path = format!("/{}/{}", deed.many, deed.verb);
    let fitting = body["filter"].is_object();
    if fitting || deed.grave {
        body["dry_run"] = json!(true);
        let dry = screen.api.post(&path, &body).await?;
        body["dry_run"] = json!(false);
        let counted: Steered = client::read(dry.clone())?;
        if fitting && counted.matched == 0 {
            let none = format!("No {} fits of which that can be asked.\n", deed.one);
            screen.answer(dry, |_| Ok(none))?;
            return Ok(Ended::Well);
        }
        let are = if counted.matched == 1 { "is" } else { "are" };
        let jobs = of_batches(&dry)?.map_or_else(String::new, |b| with(b.jobs));
        let which = deed.counted(counted.matched);
        screen::ask(&format!("{which} {are} to be {}{jobs}. Go on?", deed.done), yes)?;
        // What is queued meanwhile was not meant; an earlier end stands.
        if fitting && body["filter"]["until"].is_null() {
            body["filter"]["until"] = json!(counted.as_of);
        }
    }
    let value = screen.api.post(&path, &body).await?;
    told(screen, deed, value)
}

fn with(jobs: i64) -> String {
    format!(", with {} job{}", count(jobs), if jobs == 1 { "" } else { "s" })
}

fn told(screen: &Screen, deed: &Deed, value: Value) -> Result<Ended, CliError> {
    let told: Steered = client::read(value.clone())?;
    let batches = of_batches(&value)?;
    let jobs = batches.as_ref().map_or_else(String::new, |b| with(b.jobs));
    let mut many = deed.many.to_owned();
    many[..1].make_ascii_uppercase();
    screen.answer(value, |_| Ok(format!("{many} {}: {}{jobs}.\n", deed.done, count(told.done))))?;
    if told.unchanged > 0 {
        screen.beside(&format!("{} had been already.", count(told.unchanged)));
    }
    for reason in &told.refused_reasons {
        screen.beside(&format!("{} not: {} {}", count(reason.jobs), reason.detail, reason.remedy));
    }
    let left = batches.as_ref().map_or(0, |b| b.jobs_left);
    if left > 0 {
        screen.beside(&format!(
            "{} of their jobs not: they have gone too far, are still being undone, or another job \
             holds their artist.",
            count(left)
        ));
    }
    let broke_off = batches.as_ref().and_then(|b| b.broke_off.as_ref());
    if let Some(why) = broke_off {
        screen.beside(&format!("It ended early. {} What is told here was done.", why.detail));
    }
    if told.more {
        let until = batches.as_ref().and_then(|b| b.rest_until);
        let how =
            until.map_or_else(String::new, |at| format!(" with --until {}", when::machine(at)));
        screen.beside(&format!(
            "There are more than were asked at once: give the command again{how}."
        ));
    }
    // What has gone too far to be cancelled finishes well.
    let all = told.refused == 0 && (left == 0 || deed.verb == "cancel");
    Ok(Ended::well_if(all && !told.more && broke_off.is_none()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_no_part_of_the_filter() {
        let query = [("state", Some("open".to_owned())), ("kind", None)];
        assert_eq!(filter(query), json!({ "state": "open" }));
    }
}

//! `tourbus verify`.

use super::{more, queued, refused};
use crate::{
    Ended,
    args::{VerifyAction, VerifyFindings, VerifyQueue, VerifyResolve},
    client,
    error::{CliError, Problem},
    names,
    numbers::count,
    screen::{self, Screen},
    table::{Cell, Column, Paint, Table, Tone},
    text,
    view::{Finding, Page},
    watch::{self, Words},
    when,
};
use serde_json::{Value, json};

/// Does it.
pub async fn run(screen: &Screen, action: VerifyAction) -> Result<Ended, CliError> {
    match action {
        VerifyAction::Queue(asked) => queue(screen, asked).await,
        VerifyAction::Findings(list) => findings(screen, list).await,
        VerifyAction::Resolve(asked) => resolve(screen, &asked).await,
    }
}

/// What is not as it should be.
async fn findings(screen: &Screen, list: VerifyFindings) -> Result<Ended, CliError> {
    let value = screen.api.list("/verify/findings", &[], list.extent).await?;
    more(screen, &value);
    screen.answer(value, |v| Ok(table(&client::read::<Page<Finding>>(v)?.items, screen.paint)))?;
    Ok(Ended::Well)
}

fn table(findings: &[Finding], paint: Paint) -> String {
    let mut table = Table::new(&[
        Column::Left("ID"),
        Column::Left("FOUND"),
        Column::Left("ARTIST"),
        Column::Left("FILE"),
        Column::Left("IS"),
        Column::Left("MEANING"),
    ]);
    for found in findings {
        table.row([
            found.id.to_string().into(),
            when::local(found.found_at).into(),
            Cell::from(&found.artist_name),
            Cell::from(&found.path),
            Cell::toned(&found.kind, Tone::Bad),
            Cell::from(&found.meaning),
        ]);
    }
    table.show(paint)
}

/// The findings that are meant, of those that nobody has resolved.
async fn meant(screen: &Screen, asked: &VerifyResolve) -> Result<Vec<Finding>, CliError> {
    let artist = match &asked.artist {
        Some(named) => Some(names::artist(&screen.api, named).await?.id.to_string()),
        None => None,
    };
    let value = screen.api.pages("/verify/findings", &[("artist_id", artist)], None).await?;
    let mut findings = client::read::<Page<Finding>>(value)?.items;
    if let Some(id) = asked.id {
        findings.retain(|f| f.id == id);
        if findings.is_empty() {
            return Err(CliError::Failed(format!(
                "no open finding has the id {id}; `tourbus verify findings` shows them"
            )));
        }
    }
    Ok(findings)
}

/// Says what became of findings, of each as it was read: one that has changed since stays open.
async fn resolve(screen: &Screen, asked: &VerifyResolve) -> Result<Ended, CliError> {
    let findings = meant(screen, asked).await?;
    let done = if asked.accept { "accepted as it is" } else { "taken as mended" };
    if asked.accept && !findings.is_empty() {
        let which = match findings.len() {
            1 => "This file is".to_owned(),
            n => format!("These {} files are", count(n as i64)),
        };
        let shown = table(&findings, Paint::default());
        let question = format!("{shown}{which} to be accepted as shown. Go on?");
        screen::ask(&question, asked.sure.yes)?;
    }
    let (mut resolved, mut refused) = (Vec::new(), Vec::new());
    for finding in &findings {
        match settle(screen, finding, asked.accept).await {
            Ok(()) => resolved.push(finding),
            Err(CliError::Refused(problem)) if matches!(problem.status, 404 | 409) => {
                refused.push((finding, problem));
            }
            Err(error) => {
                if !resolved.is_empty() {
                    let n = count(resolved.len() as i64);
                    screen.beside(&format!("It ended early; {n} resolved before that."));
                }
                return Err(error);
            }
        }
    }
    screen.answer(answer(&resolved, &refused), |_| {
        if findings.is_empty() {
            return Ok("No finding of this artist is open.\n".to_owned());
        }
        let lines: Vec<String> =
            resolved.iter().map(|f| format!("{} is {done}.\n", named(f))).collect();
        Ok(lines.concat())
    })?;
    for (finding, problem) in &refused {
        screen.beside(&format!("{} not: {} {}", named(finding), problem.detail, problem.remedy));
    }
    Ok(Ended::well_if(refused.is_empty()))
}

fn named(finding: &Finding) -> String {
    format!("{} of {}", text::line(&finding.path), text::line(&finding.artist_name))
}

/// The API answers nothing, to each by itself: what came of all of them, for scripts.
fn answer(resolved: &[&Finding], refused: &[(&Finding, Problem)]) -> Value {
    let resolved: Vec<Value> = resolved.iter().map(|f| json!(f.id)).collect();
    let why = |(f, p): &(&Finding, Problem)| json!({ "id": f.id, "detail": p.detail });
    let refused: Vec<Value> = refused.iter().map(why).collect();
    json!({ "resolved": resolved, "refused": refused })
}

async fn settle(screen: &Screen, finding: &Finding, accept: bool) -> Result<(), CliError> {
    if accept && finding.kind == "unreadable" {
        return Err(CliError::Refused(Problem {
            status: 409,
            detail: "What cannot be read cannot be accepted.".to_owned(),
            remedy: "Mend it, and resolve it without --accept.".to_owned(),
            ..Problem::default()
        }));
    }
    let body = json!({ "accept": accept, "state": finding.state });
    screen.api.post(&format!("/verify/findings/{}/resolve", finding.id), &body).await?;
    Ok(())
}

/// Queues verifications, and follows them if that is wanted.
async fn queue(screen: &Screen, asked: VerifyQueue) -> Result<Ended, CliError> {
    let mut body = match names::server_id(&screen.api, asked.server.as_ref()).await? {
        Some(id) => json!({ "server_id": id }),
        None if asked.everything => json!({ "everything": true }),
        None => json!({ "artist_ids": names::artist_ids(&screen.api, &asked.artist).await? }),
    };
    if let Some(rate) = asked.rate {
        body["rate_bytes_s"] = json!(rate);
    }
    let value = screen.api.post_once("/verify", &body).await?;
    let answer = queued(&value)?;
    let batch = answer.batch_id.filter(|_| asked.watch);
    if batch.is_none() || !screen.json {
        let artists = Words::of("verify").counted(answer.accepted);
        let said = match answer.batch_id {
            Some(id) => format!("{artists} to be verified: batch {}\n", names::short(id)),
            None => "Nobody was queued.\n".to_owned(),
        };
        screen.answer(value, |_| Ok(said))?;
    }
    refused(screen, &answer.refused);
    match batch {
        Some(batch) => watch::to_its_end(screen, batch).await,
        None => Ok(Ended::well_if(answer.accepted > 0)),
    }
}

//! `tourbus audit`.

use super::more;
use crate::{
    Ended,
    args::AuditList,
    client,
    error::CliError,
    screen::Screen,
    table::{Cell, Column, Table, Tone},
    view::{Deed, Page},
    when,
};

/// Who did what.
pub async fn list(screen: &Screen, list: AuditList) -> Result<Ended, CliError> {
    let query = [
        ("actor", list.actor),
        ("action", list.action),
        ("object", list.object),
        ("result", list.result),
        ("since", list.span.since.map(when::Since::machine)),
        ("until", list.span.until.map(when::Since::machine)),
    ];
    let value = screen.api.list("/audit", &query, list.extent).await?;
    more(screen, &value);
    screen.answer(value, |v| {
        let mut table = Table::new(&[
            Column::Left("WHEN"),
            Column::Left("WHO"),
            Column::Left("WHAT"),
            Column::Left("TO"),
            Column::Left("RESULT"),
            Column::Left("WHY"),
        ]);
        for deed in client::read::<Page<Deed>>(v)?.items {
            let who = match &deed.token {
                Some(token) => format!("{} ({token})", deed.actor),
                None => deed.actor.clone(),
            };
            let what = match deed.times {
                1 => deed.action.clone(),
                n => format!("{} ×{n}", deed.action),
            };
            let tone = if deed.result == "done" { Tone::Plain } else { Tone::Bad };
            table.row([
                when::local(deed.at).into(),
                who.into(),
                what.into(),
                Cell::from(&deed.object),
                Cell::toned(&deed.result, tone),
                Cell::from(&deed.reason),
            ]);
        }
        Ok(table.show(screen.paint))
    })?;
    Ok(Ended::Well)
}

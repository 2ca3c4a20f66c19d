//! Asks AWS, by whose credentials the record moves.

use super::LookedUp;
use crate::aws::{CredentialsProblem, Error, Session};
use crate::config::records::Target;
use crate::config::site::Account;
use crate::config::unresolved::Unresolved;
use crate::terraform::{self, Folder, Found, Inputs, Known, State, Switchboard};

/// Whoever asks.
async fn session(account: &Account, known: Option<&Known>) -> Session {
    let of_arn = match known {
        Some(Known::LoadBalancer(arn)) => arn.split(':').nth(3).filter(|region| !region.is_empty()),
        _ => None,
    };
    let mut settings = account.settings();
    settings.region = of_arn.map(str::to_owned).or(settings.region);
    Session::load(&settings).await
}

/// The target of `wanted`, and what a person should know of it.
pub(in crate::config) async fn target(
    wanted: &LookedUp,
    account: &Account,
) -> Result<(Target, String), Unresolved> {
    let LookedUp { known, evaluate_target_health } = wanted;
    let session = session(account, Some(known)).await;
    let found = asked(&session, known).await?;
    let said = format!("{known} was looked up: {}", found.dns_name);
    let Found { dns_name: name, zone_id, .. } = found;
    let evaluate_target_health = *evaluate_target_health;
    Ok((Target::Alias { name, zone_id, evaluate_target_health }, said))
}

async fn asked(session: &Session, known: &Known) -> Result<Found, Unresolved> {
    match terraform::ask(session, known).await {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(Unresolved::NotThere {
            message: format!("AWS has no {}", known.to_string().trim_start_matches("the ")),
            region: session.region().to_owned(),
        }),
        Err(error) => Err(Unresolved::Unasked {
            message: format!("{known} cannot be looked up: {error}"),
            hint: error.hint(),
            credentials: matches!(error, Error::Credentials { .. }),
        }),
    }
}

/// The switch of a folder whose `state` does not say all, with what AWS says of the rest and the words for it; nothing
/// where that does not tell it either.
pub(in crate::config) async fn switchboard(
    folder: &Folder,
    inputs: &Inputs,
    mut state: State,
    account: &Account,
) -> Option<(Switchboard, Vec<String>)> {
    let wanted = terraform::lookups(folder, inputs, &state).ok()?;
    if wanted.is_empty() {
        return None;
    }
    let mut said = Vec::new();
    for lookup in &wanted {
        let session = session(account, Some(&lookup.known)).await;
        // Most of a folder has no part in the switch: only what is needed has to be there.
        let found = match terraform::ask(&session, &lookup.known).await {
            Ok(Some(found)) => found,
            Ok(None)
            | Err(
                Error::Service { .. }
                | Error::Credentials { problem: CredentialsProblem::Denied, .. },
            ) => continue,
            // Whoever does not answer now will not answer the next question either.
            Err(_) => return None,
        };
        said.push(format!(
            "{} is not in the state: {} was looked up in AWS",
            lookup.address, lookup.known
        ));
        state.learn(lookup, &found);
    }
    let board = terraform::find_switch(folder, inputs, Some(&state)).ok()?;
    if said.is_empty() {
        return None;
    }
    // A name without its zone's is relative, and would be another one.
    let session = session(account, None).await;
    for record in &board.records {
        let zone = &record.key.zone_id;
        if state.zone_name(zone).is_none() {
            state.learn_zone(zone, &terraform::zone_name(&session, zone).await.ok()?);
        }
    }
    let board = terraform::find_switch(folder, inputs, Some(&state)).ok()?;
    Some((board, said))
}

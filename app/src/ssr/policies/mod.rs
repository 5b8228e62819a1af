//! Policies as the pages show them: cards in words, and forms made from a table of settings.

mod document;
mod effect;
mod settings;
mod trial;
mod words;

use apiverse_contract::policies::preview::Preview;
use apiverse_contract::policies::{
    AttachedPolicy, EffectivePolicies, EffectivePoliciesQuery, EffectivePolicy, PolicyDocument,
    PolicyKind, PolicyLevel, PolicyOrigin, RollBack,
};
use apiverse_contract::usage::UsageQuery;
use apiverse_contract::{
    ApiId, ErrorCode, FieldError, KeyId, ListQuery, Problem, RouteId, VersionId,
};
use apiverse_platform::{
    Actor, Condition, Fault, PlaceFound, Platform, PolicyPlace, PolicyReadError,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Member, answer, fail, invalid, log, problem_of};
use crate::forms::Fields;
use crate::rpc::policies::{
    CardState, OnePolicy, PlaceName, PlaceRef, PolicyCard, PolicyCards, PolicyRef, PolicyState,
    RollBackPolicy, SavePolicy, TryPolicy,
};
use crate::rpc::{Named, Rpc};

/// States of a history that a page shows.
const STATES: u32 = 20;
/// Calls that a transform can be tried on.
const CALLS: u32 = 20;

/// # Errors
/// What the platform refuses.
pub async fn cards(member: &Member, place: &PlaceRef) -> Rpc<PolicyCards> {
    let Member { platform, actor } = member;
    let found = found(platform, actor, place).await?;
    let held = held(platform, actor, &found).await?;
    let calls = effect::calls_of(platform, actor, &found).await?;
    let level = found.level;
    let kinds = PolicyKind::ALL
        .iter()
        .filter(|kind| kind.levels().contains(&level));
    let cards = kinds
        .map(|kind| {
            let held = held.policies.iter().find(|one| one.kind == *kind);
            let mut card = card(*kind, &found, held);
            if matches!(card.state, CardState::Own | CardState::Inherited) {
                card.effect = effect::words(*kind, &calls);
            }
            card
        })
        .collect();
    Ok(PolicyCards {
        place: name(found),
        cards,
    })
}

/// # Errors
/// What the platform refuses.
pub async fn one(member: &Member, which: &PolicyRef) -> Rpc<OnePolicy> {
    let Member { platform, actor } = member;
    let found = found(platform, actor, &which.place).await?;
    if !which.kind.levels().contains(&found.level) {
        return Err(nothing());
    }
    let place = place_of(&found, which.kind);
    let own = own(platform, actor, place).await?;
    let held = held(platform, actor, &found).await?;
    let holding = held.policies.into_iter().find(|one| one.kind == which.kind);
    let query = ListQuery {
        limit: Some(STATES),
        ..ListQuery::default()
    };
    let history = match platform.policy_history(actor, place, query).await {
        Ok(page) => page.data,
        Err(fault) if fault.code() == ErrorCode::PolicyNotFound => Vec::new(),
        Err(fault) => return Err(fail(fault)),
    };
    let card = card(which.kind, &found, holding.as_ref());
    let version = own.as_ref().map_or(0, |own| own.version);
    // Who makes one of their own begins with what holds already.
    let document = own
        .map(|own| own.document)
        .or(holding.map(|holding| holding.document))
        .unwrap_or_else(|| json!({}));
    let recent = recent(platform, actor, which.kind, &found).await?;
    Ok(OnePolicy {
        recent,
        place: name(found),
        kind: which.kind,
        version,
        state: card.state,
        words: card.words,
        from: card.from,
        sections: document::sections(which.kind, &document),
        document: serde_json::to_string_pretty(&document).unwrap_or_default(),
        history: history
            .into_iter()
            .map(|state| PolicyState {
                version: state.version,
                words: match &state.document {
                    Some(document) => words::of(which.kind, document),
                    None => "Removed".to_owned(),
                },
                changed_at: state.changed_at,
                changed_by: state.changed_by,
            })
            .collect(),
    })
}

/// # Errors
/// Fields that are not acceptable, and what the platform refuses.
pub async fn save(member: &Member, input: SavePolicy) -> Result<(), Problem> {
    let Member { platform, actor } = member;
    let SavePolicy {
        policy,
        version,
        fields,
    } = input;
    let kind = policy.kind;
    let place = parsed(&policy)?;
    let fields = Fields(fields);
    let document = drafted(member, &policy, &fields).await?;
    let condition = match version {
        0 => Condition::Absent,
        version => Condition::Version(version),
    };
    let is_whole = fields.flag("document");
    match platform.policy_put(actor, place, document, condition).await {
        Ok(_) => Ok(()),
        Err(fault) => {
            log(&fault);
            let mut problem = fault.problem();
            let name = |error: FieldError| document::at_its_field(kind, is_whole, error);
            problem.errors = problem.errors.into_iter().map(name).collect();
            Err(problem)
        }
    }
}

/// The document that a form's fields make of the one that is there.
///
/// # Errors
/// Fields that cannot be read.
pub async fn drafted(
    member: &Member,
    which: &PolicyRef,
    fields: &Fields,
) -> Result<PolicyDocument, Problem> {
    let Member { platform, actor } = member;
    let kind = which.kind;
    let value = match fields.optional("document") {
        Some(text) => document::parse(&text).map_err(|error| invalid(vec![error]))?,
        None => {
            let old = own(platform, actor, parsed(which)?).await;
            let old = old.map_err(|error| error.0)?;
            let old = old.map_or_else(|| json!({}), |old| old.document);
            document::read(kind, old, fields).map_err(invalid)?
        }
    };
    PolicyDocument::from_value(kind, value).map_err(|error| {
        let message = format!("is not understood: {error}");
        invalid(vec![FieldError::new("document", message)])
    })
}

/// The latest calls that come to the place, once each. Only transforms ask for them.
async fn recent(
    platform: &Platform,
    actor: &Actor,
    kind: PolicyKind,
    found: &PlaceFound,
) -> Rpc<Vec<String>> {
    if !matches!(
        kind,
        PolicyKind::RequestTransform | PolicyKind::ResponseTransform
    ) {
        return Ok(Vec::new());
    }
    let mut query = UsageQuery {
        limit: Some(CALLS),
        api_id: found.api.as_ref().map(|(id, _)| *id),
        ..UsageQuery::default()
    };
    match found.level {
        PolicyLevel::Api => query.api_id = Some(ApiId(found.id)),
        PolicyLevel::Key => query.key_id = Some(KeyId(found.id)),
        PolicyLevel::Organization | PolicyLevel::Version | PolicyLevel::Route => {}
    }
    let page = platform.usage_calls(actor, query).await.map_err(fail)?;
    let mut lines: Vec<String> = Vec::new();
    for call in page.data {
        let line = format!("{} {}", call.method, call.path);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    Ok(lines)
}

/// # Errors
/// Fields that are not acceptable, and what the platform refuses.
pub async fn try_out(member: &Member, input: TryPolicy) -> Result<Preview, Problem> {
    let Member { platform, actor } = member;
    let TryPolicy {
        policy,
        fields,
        call,
    } = input;
    let kind = policy.kind;
    let old = own(platform, actor, parsed(&policy)?)
        .await
        .map_err(|error| error.0)?;
    let old = old.map_or_else(|| json!({}), |old| old.document);
    let mut document = document::read(kind, old, &Fields(fields)).map_err(invalid)?;
    // What is switched off can be tried as well.
    if let Some(document) = document.as_object_mut() {
        document.remove("enabled");
    }
    let asked = trial::read(kind, document, &Fields(call)).map_err(invalid)?;
    match platform.policy_preview(actor, asked).await {
        Ok(preview) => Ok(preview),
        Err(fault) => {
            log(&fault);
            let mut problem = fault.problem();
            let name = |error: FieldError| trial::at_its_field(kind, error);
            problem.errors = problem.errors.into_iter().map(name).collect();
            Err(problem)
        }
    }
}

/// # Errors
/// What the platform refuses.
pub async fn remove(member: &Member, which: &PolicyRef) -> Result<(), Problem> {
    let Member { platform, actor } = member;
    platform
        .policy_delete(actor, parsed(which)?, Condition::Any)
        .await
        .map_err(problem_of)
}

/// # Errors
/// What the platform refuses.
pub async fn roll_back(member: &Member, input: RollBackPolicy) -> Result<(), Problem> {
    let Member { platform, actor } = member;
    let back = RollBack {
        version: input.version,
    };
    platform
        .policy_roll_back(actor, parsed(&input.policy)?, back, Condition::Any)
        .await
        .map(|_| ())
        .map_err(problem_of)
}

async fn found(platform: &Platform, actor: &Actor, place: &PlaceRef) -> Rpc<PlaceFound> {
    let id = id_of(place).ok_or_else(nothing)?;
    platform
        .policy_place_found(actor, place.level, id)
        .await
        .map_err(fail)
}

/// `None`: an id that is none. The organization's may be left out.
fn id_of(place: &PlaceRef) -> Option<Option<Uuid>> {
    match &place.id {
        None if place.level == PolicyLevel::Organization => Some(None),
        None => None,
        Some(id) => Some(Some(id.parse().ok()?)),
    }
}

fn parsed(which: &PolicyRef) -> Result<PolicyPlace, Problem> {
    let target_id = id_of(&which.place).ok_or_else(gone)?;
    Ok(PolicyPlace {
        level: which.place.level,
        target_id,
        kind: which.kind,
    })
}

const fn place_of(found: &PlaceFound, kind: PolicyKind) -> PolicyPlace {
    PolicyPlace {
        level: found.level,
        target_id: Some(found.id),
        kind,
    }
}

async fn own(
    platform: &Platform,
    actor: &Actor,
    place: PolicyPlace,
) -> Rpc<Option<AttachedPolicy>> {
    match platform.policy_get(actor, place).await {
        Ok(policy) => Ok(Some(policy)),
        Err(PolicyReadError::PolicyGone(_)) => Ok(None),
        Err(fault) => Err(fail(fault)),
    }
}

/// What holds for calls that come to the place.
async fn held(platform: &Platform, actor: &Actor, found: &PlaceFound) -> Rpc<EffectivePolicies> {
    let mut query = EffectivePoliciesQuery {
        api_id: found.api.as_ref().map(|(id, _)| *id),
        ..EffectivePoliciesQuery::default()
    };
    match found.level {
        PolicyLevel::Organization => {}
        PolicyLevel::Api => query.api_id = Some(ApiId(found.id)),
        PolicyLevel::Version => query.version_id = Some(VersionId(found.id)),
        PolicyLevel::Route => query.route_id = Some(RouteId(found.id)),
        PolicyLevel::Key => query.key_id = Some(KeyId(found.id)),
    }
    platform
        .policies_effective(actor, query)
        .await
        .map_err(fail)
}

fn card(kind: PolicyKind, found: &PlaceFound, held: Option<&EffectivePolicy>) -> PolicyCard {
    let Some(held) = held else {
        return PolicyCard {
            kind,
            words: words::offer(kind).to_owned(),
            state: CardState::Absent,
            from: None,
            effect: None,
        };
    };
    let is_own = held.from.target_id == found.id && held.from.level == found.level;
    PolicyCard {
        kind,
        words: words::of(kind, &held.document),
        state: match (held.enabled, is_own) {
            (false, _) => CardState::Off,
            (true, true) => CardState::Own,
            (true, false) => CardState::Inherited,
        },
        from: (!is_own).then(|| origin(&held.from)),
        effect: None,
    }
}

fn origin(from: &PolicyOrigin) -> String {
    match from.level {
        PolicyLevel::Organization => "the organization".to_owned(),
        PolicyLevel::Api => format!("the API {}", from.target_name),
        level => format!("the {level} {}", from.target_name),
    }
}

fn name(found: PlaceFound) -> PlaceName {
    PlaceName {
        level: found.level,
        id: found.id.to_string(),
        name: found.name,
        api: found.api.map(|(id, name)| Named {
            id: id.to_string(),
            name,
        }),
    }
}

fn gone() -> Problem {
    Problem::new(ErrorCode::NotFound, "there is nothing with this id")
}

fn nothing() -> crate::rpc::RpcError {
    answer(gone(), None)
}

/// Whether the document switches its kind off.
fn is_off(document: &Value) -> bool {
    document.get("enabled") == Some(&Value::Bool(false))
}

//! Price rules and budgets.

use apiverse_contract::costs::{PriceTier, PriceUnit, PutBudget, PutPriceRule};
use apiverse_contract::{BudgetId, PriceRuleId};
use apiverse_store::{BudgetBlock, BudgetRow, BudgetState, PriceRuleRow, Store};
use chrono::NaiveDate;

use crate::samples::{after, audit, id, t0, tenant};

pub async fn rules_and_budgets_stay_inside_their_organization(store: &Store) {
    let (_, ada) = tenant(store, "ada").await;
    let (_, bob) = tenant(store, "bob").await;
    let line = || audit(ada.id, "x");
    let mut rule = PriceRuleRow {
        id: PriceRuleId(id()),
        organization_id: ada.id,
        rule: PutPriceRule {
            name: "ä".into(),
            api_id: None,
            route: Some("/users/{id}".into()),
            statuses: Vec::new(),
            refused: false,
            cached: true,
            unit: PriceUnit::MegabyteOut,
            currency: "EUR".into(),
            tiers: vec![PriceTier {
                up_to: None,
                price_micros: 400,
            }],
            from: NaiveDate::from_ymd_opt(2026, 11, 1).expect("a day"),
            to: None,
        },
        created_at: t0(),
        updated_at: t0(),
    };
    store.price_rule_put(&rule, &line()).await.expect("writes");
    rule.rule.currency = "USD".into();
    rule.updated_at = after(5);
    store.price_rule_put(&rule, &line()).await.expect("writes");
    // Another organization cannot take it over.
    let stolen = PriceRuleRow {
        organization_id: bob.id,
        ..rule.clone()
    };
    store
        .price_rule_put(&stolen, &line())
        .await
        .expect("writes");
    let rules = store.price_rules_list(ada.id).await;
    assert_eq!(rules.expect("reads"), [rule.clone()]);
    let rules = store.price_rules_list(bob.id).await;
    assert_eq!(rules.expect("reads"), []);
    for (organization, expected) in [(bob.id, false), (ada.id, true), (ada.id, false)] {
        let done = store
            .price_rule_delete(organization, rule.id, &line())
            .await;
        assert_eq!(done.expect("deletes"), expected);
    }

    let budget = BudgetRow {
        id: BudgetId(id()),
        organization_id: ada.id,
        budget: PutBudget {
            name: "all".into(),
            api_id: None,
            key_id: None,
            amount_micros: 1 << 40,
            currency: "EUR".into(),
            thresholds: vec![50, 100],
            block: true,
        },
        state: BudgetState::default(),
        created_at: t0(),
        updated_at: t0(),
    };
    store.budget_put(&budget, &line()).await.expect("writes");
    let budgets = store.budgets_list(ada.id).await;
    assert_eq!(budgets.expect("reads"), std::slice::from_ref(&budget));
    let owners = store.budget_organizations().await;
    assert_eq!(owners.expect("reads"), [ada.id]);
    let blocked = async || {
        let found = store.gateway_organization(ada.id).await.expect("reads");
        found.map_or_else(Vec::new, |found| found.blocked)
    };
    let version = async || store.gateway_fingerprint().await.expect("reads");
    assert_eq!(blocked().await, []);
    // What was found about it reaches the gateway; what was found about another state of it does
    // not.
    let state = BudgetState {
        month_us: 5,
        told: 100,
        blocked_until_us: Some(1 << 50),
    };
    let before = version().await;
    let note = async |read: &BudgetRow, state| {
        let lines = [line(), line()];
        let noted = store.budget_note(read, state, true, &lines).await;
        noted.expect("writes")
    };
    let of_bob = BudgetRow {
        organization_id: bob.id,
        ..budget.clone()
    };
    let of_before = BudgetRow {
        updated_at: after(-5),
        ..budget.clone()
    };
    assert!(!note(&of_bob, state).await);
    assert!(!note(&of_before, state).await);
    assert_eq!(version().await, before);
    assert!(note(&budget, state).await);
    assert!(version().await > before);
    let expected = BudgetBlock {
        api_id: None,
        key_id: None,
        until_us: 1 << 50,
    };
    assert_eq!(blocked().await, [expected]);
    let all = store.gateway_organizations().await.expect("reads");
    let of_ada = all.iter().find(|found| found.id == ada.id);
    assert_eq!(of_ada.map(|found| found.blocked.len()), Some(1));
    let noted = BudgetRow {
        state,
        ..budget.clone()
    };
    let budgets = store.budgets_list(ada.id).await;
    assert_eq!(budgets.expect("reads"), [noted]);
    // One that is replaced begins anew.
    store.budget_put(&budget, &line()).await.expect("writes");
    assert_eq!(blocked().await, []);
    for (organization, expected) in [(bob.id, false), (ada.id, true)] {
        let done = store.budget_delete(organization, budget.id, &line()).await;
        assert_eq!(done.expect("deletes"), expected);
    }
}

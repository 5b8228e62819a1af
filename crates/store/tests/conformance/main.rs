//! Every operation of the store, on both databases.
//!
//! PostgreSQL is the server of `TEST_DATABASE_URL`; each case has a database of its own there.

mod accounts;
mod alerts;
mod apis;
mod audit;
mod backlog;
mod configuration;
mod credentials;
mod database;
mod explanations;
mod identities;
mod keys;
mod limits;
mod live;
mod notifications;
mod notify;
mod organizations;
mod passkeys;
mod policies;
mod prices;
mod reports;
mod samples;
mod saved_views;
mod sessions;
mod two_factor;
mod usage;
mod usage_sums;
mod versions;

/// Expands a list of cases into one test for each database.
macro_rules! conformance {
    ($($module:ident :: $case:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let database = crate::database::Database::sqlite().await;
                crate::$module::$case(database.store()).await;
                database.drop().await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let database = crate::database::Database::postgres().await;
                crate::$module::$case(database.store()).await;
                database.drop().await;
            })*
        }
    };
}

conformance![
    accounts::register_and_find,
    accounts::email_and_slug_are_unique,
    accounts::a_failed_registration_leaves_nothing,
    accounts::update_user,
    accounts::memberships,
    accounts::audit_lines_page,
    alerts::of_two_that_look_at_a_rule_one_notes,
    alerts::silences_and_addresses_stay_inside_their_organization,
    alerts::objectives_stay_inside_their_organization,
    apis::apis_insert_get_list,
    apis::slug_is_unique_per_organization,
    apis::update_and_delete_stay_inside_the_organization,
    apis::search_takes_wildcards_literally,
    apis::changes_move_the_fingerprint,
    audit::each_line_holds_the_one_before,
    audit::of_many_lines_at_once_none_is_lost,
    audit::lines_are_found,
    audit::the_beginning_of_a_chain_is_forgotten,
    backlog::what_waits_is_counted,
    configuration::all_of_it_or_nothing,
    credentials::links_are_good_once,
    credentials::an_address_changes_by_its_link,
    credentials::a_new_password_ends_sessions,
    credentials::accounts_are_deleted_with_what_is_theirs_alone,
    credentials::places_are_known_again,
    explanations::explanations_are_kept_for_a_while,
    identities::identities_are_one_persons,
    identities::somebody_registers_as_they_are_known,
    identities::late_reports_change_nothing,
    identities::organizations_and_sessions_have_origins,
    keys::keys_insert_get_list,
    keys::places_of_keys_are_new_once,
    keys::update_and_revoke,
    keys::touch_moves_forward_only,
    keys::the_gateway_sees_what_is_not_revoked,
    live::watched_calls_are_told,
    live::findings_are_kept_up_to_date,
    live::one_node_has_a_lease,
    live::an_apis_usage_is_taken_away,
    limits::policies_belong_to_a_target,
    limits::policies_go_with_their_target,
    limits::routes_insert_get_list,
    limits::routes_stay_inside_their_api,
    limits::the_gateway_gets_them_with_their_targets,
    organizations::organizations_insert_update_delete,
    organizations::there_is_always_an_owner,
    organizations::of_two_owners_that_leave_one_stays,
    organizations::invitations_are_open_until_they_are_not,
    organizations::members_show_their_second_factor_and_when_they_were_seen,
    organizations::first_steps_are_dismissed_by_each_member,
    policies::a_change_counts_and_is_kept,
    policies::an_update_is_not_lost,
    policies::policies_stay_inside_their_organization,
    policies::the_gateway_gets_what_applies,
    prices::rules_and_budgets_stay_inside_their_organization,
    reports::schedules_stay_inside_their_organization,
    reports::of_two_that_make_a_report_one_notes,
    reports::reports_page_and_are_forgotten,
    saved_views::what_is_private_is_seen_by_its_owner_alone,
    saved_views::a_name_is_taken_once_for_each_owner,
    saved_views::a_page_opens_with_a_view_that_is_seen,
    sessions::put_find_expire,
    sessions::what_is_over_is_not_written,
    sessions::revoke,
    sessions::refresh_tokens_are_used_once,
    sessions::of_two_uses_one_wins,
    passkeys::an_answer_is_judged_once,
    passkeys::a_passkey_is_its_owners,
    passkeys::of_two_uses_at_once_one_counts,
    passkeys::recovery_codes_stay_with_the_last_factor,
    passkeys::a_telephone_is_in_force_once_its_code_was_seen,
    passkeys::a_code_has_few_attempts,
    two_factor::a_code_counts_once,
    two_factor::recovery_codes_are_good_once,
    two_factor::waiting_sign_ins_have_few_attempts,
    two_factor::tokens_are_found_until_they_end,
    two_factor::service_accounts_have_names_and_tokens,
    usage::events_are_stored_with_their_marks,
    usage::every_field_comes_back,
    usage::old_calls_go,
    usage::several_store_at_once,
    usage::filters_of_what_calls_have,
    usage::names_of_what_calls_belong_to,
    usage::filters,
    usage::served_calls_are_what_quotas_count,
    usage::verifications_are_told_from_calls,
    usage::calls_page_without_gaps,
    usage_sums::sums_are_what_calls_are,
    usage_sums::duplicates_count_once,
    usage_sums::routes_are_learned,
    usage_sums::old_sums_go,
    usage_sums::calls_of_before_are_summed_up,
    usage_sums::several_roll_at_once,
    usage_sums::long_sums_are_what_calls_are,
    usage_sums::long_sums_are_made_at_any_time,
    usage_sums::old_long_sums_go,
    usage_sums::the_smallest_view_is_made_of_others,
    versions::versions_are_kept_with_their_api,
    versions::how_callers_choose,
    versions::callers_are_told_apart,
    notifications::one_cause_one_message,
    notifications::one_node_works_on_a_message,
    notifications::what_was_begun_is_known,
    notifications::lists_stay_inside_their_scope,
    notifications::reports_count_once,
    notifications::choices_are_kept,
    notifications::settled_messages_are_forgotten,
    notify::ping_migrate_and_pool,
    notify::messages_arrive,
];

"""The words that haul promises: of the scheduler, which are asyncio's, of what jobs wait for,
and its verbs.  One row each, and the tests that show it; a word without a test, or a test that
is not there any more, fails here."""

import os
import re

import pytest
from haul import PROJECT
from references import exists

SCHEDULER = {
    "task": ["test_control.py::test_a_job_from_its_add_to_its_end", "check_engine.c::graphs_that_users_command_at_any_time"],
    "future": ["test_wait.py::test_many_waiters_are_cheap", "test_wait.py::test_who_goes_waits_no_more"],
    "gather": ["test_gather.py::test_results_in_the_order_given", "test_gather.py::test_the_first_failure_ends_it_and_the_others_go_on"],
    "return exceptions": ["test_gather.py::test_return_exceptions_gives_all_of_them"],
    "task group": ["test_groups.py::test_the_first_failure_cancels_the_siblings_in_every_phase",
                   "test_groups.py::test_a_childs_failure_is_one_of_the_parent",
                   "test_gather.py::test_cancel_ends_the_others_and_nothing_outlives_it"],
    "wait with a timeout": ["test_gather.py::test_a_timeout_leaves_them", "test_wait.py::test_for_a_state",
                            "test_wait.py::test_a_group_and_everything"],
    "deadline": ["test_deadline.py::test_it_ends_wherever_it_is", "test_deadline_moment.py::test_after_a_restart_it_is_the_same_moment", "test_groups.py::test_the_deadline_ends_what_is_not_over"],
    "cancel": ["test_deadline.py::test_cancel_is_prompt", "test_groups.py::test_cancel_of_a_group_leaves_the_others"],
    "semaphore": ["test_sched.py::test_semaphores", "test_groups.py::test_a_group_never_has_more_transfers_than_its_max_concurrent"],
    "lock": ["test_destinations.py::test_one_destination_is_a_lock"],
    "after": ["test_order.py::test_a_job_starts_when_all_before_it_are_done", "test_order.py::test_a_configuration_with_a_cycle",
              "test_order.py::test_over_kill_9"],
    "after-failed": ["test_order.py::test_a_fall_back_runs_when_the_first_has_failed",
                     "test_order.py::test_a_fall_back_that_is_not_needed_is_no_failure"],
    "event": ["test_order.py::test_events"],
    "queue": ["test_max_queued.py::test_above_it_add_is_refused",
              "test_max_queued.py::test_one_that_waits_comes_when_there_is_room"],
    "priority": ["test_sched.py::test_priorities_with_a_single_slot", "check_scheduler.c::a_low_one_among_endless_high_ones_starts"],
    "pause": ["test_groups.py::test_a_paused_group_parks_what_runs_and_goes_on_from_there",
              "test_groups.py::test_pause_all_holds_everything_and_survives", "test_map.py::test_a_pause_keeps_what_came"],
    "start-at": ["test_schedule.py::test_a_job_waits_for_its_time_and_says_so"],
    "every": ["test_schedule.py::test_a_job_comes_again_and_keeps_its_id", "test_schedule.py::test_the_last_runs_are_told_and_kept", "test_schedule.py::test_missed_runs_are_made_up_for_once"],
    "cron": ["test_schedule.py::test_cron_runs_at_its_times", "check_calendar.c::systemd_has_the_same_times"],
    "conditional": ["test_conditional.py::test_a_file_that_has_not_changed_costs_no_bytes"],
    "atomic": ["test_atomic.py::test_a_reader_never_sees_a_mix",
               "test_atomic.py::test_killed_at_any_instant_it_is_the_old_set_or_the_new_one"],
    "rate": ["test_rate.py::test_a_total_is_shared_evenly_and_idle_ones_waste_nothing",
             "test_rate.py::test_a_host_has_a_limit_of_its_own", "test_rate.py::test_a_group_shares_its_limit_with_the_groups_in_it"],
    "timetable": ["test_rate.py::test_the_timetable_is_local_time"],
    "request rate": ["test_host_limits.py::test_requests_of_a_host_are_spaced"],
    "connections that adapt": ["test_host_limits.py::test_a_host_with_too_much_is_given_fewer_connections"],
    "hook": ["test_hooks.py::test_each_hook_has_its_turn_and_its_story"],
    "url-command": ["test_hooks.py::test_an_expired_url_is_minted_anew_and_the_download_goes_on"],
}

# What a job may wait for: the words of DESIGN that users see.
REASONS = {
    "after:": ["test_order.py::test_why_and_where_it_waits"],
    "after-failed:": ["test_order.py::test_a_fall_back_runs_when_the_first_has_failed"],
    "event:": ["test_order.py::test_events"],
    "host-limit": ["test_why.py::test_global_and_host_limit_name_the_jobs_in_the_way"],
    "group-limit": ["test_groups.py::test_a_full_group_says_group_limit"],
    "group-paused": ["test_groups.py::test_a_paused_group_parks_what_runs_and_goes_on_from_there"],
    "all-paused": ["test_groups.py::test_pause_all_holds_everything_and_survives"],
    "global-limit": ["test_why.py::test_global_and_host_limit_name_the_jobs_in_the_way"],
    "start-at": ["test_schedule.py::test_a_job_waits_for_its_time_and_says_so"],
    "retry-at": ["test_why.py::test_a_retry_has_a_time_and_a_cause"],
    "rate": ["test_rate.py::test_who_waits_for_a_rate_before_its_request_can_be_stopped"],
    "request-rate": ["test_host_limits.py::test_why_says_request_rate_and_until_when"],
    "disk-space": ["test_space.py::test_what_does_not_fit_waits_before_its_bytes_come"],
    "disk-speed": ["check_why.c::every_word_has_a_sentence_with_and_without_facts"],
    "destination-busy": ["test_why.py::test_a_destination_that_is_busy"],
    "origin-down": ["test_why.py::test_an_origin_that_is_down"],
    "network-down": ["test_retry.py::test_without_a_route_jobs_wait_and_lose_no_try"],
    "worker-backlog": ["test_why.py::test_worker_backlog_and_a_job_that_waits_for_workers"],
    "decoder-memory": ["test_why.py::test_decoder_memory"],
    "group-publish": ["test_atomic.py::test_who_is_done_waits_for_the_others"],
    "quota": ["test_quota.py::test_a_full_quota_is_a_reason_of_its_own"],
    "draining": ["test_why.py::test_draining_is_a_reason"],
}

VERBS = {
    "add": ["test_ctl.py::test_add_prints_ids_only", "test_control.py::test_all_are_added_or_none"],
    "get": ["test_ctl.py::test_get_tells_the_summary_in_the_order_given",
            "test_service.py::test_haulctl_get_and_wait_against_the_real_thing"],
    "list": ["test_ctl.py::test_list_pages_through_all", "test_history.py::test_list_by_time_group_name_and_url"],
    "status": ["test_ctl.py::test_status_at_a_glance"],
    "cat": ["test_cat.py::test_nothing_is_printed_before_it_is_proven"],
    "import": ["test_import.py::test_a_session_of_aria2", "test_import.py::test_what_curl_has_and_haul_has_not_is_told"],
    "export": ["test_import.py::test_what_was_exported_is_the_same_again"],
    "verify": ["test_verify_verb.py::test_lists_as_sha256sum_has_them", "test_verify_verb.py::test_it_is_no_oracle"],
    "top": ["test_top.py::test_jobs_are_shown_paused_resumed_and_cancelled",
            "test_top.py::test_hostile_names_stay_in_their_lines_at_any_size"],
    "show": ["test_ctl.py::test_show_everything"],
    "why": ["test_why.py::test_jobs_that_are_over_or_paused"],
    "wait": ["test_wait.py::test_haulctl_wait"],
    "gather": ["test_gather.py::test_results_in_the_order_given"],
    "attach": ["test_ctl.py::test_attach_without_jobs_watches_all_until_nothing_runs"],
    "cancel": ["test_ctl.py::test_verbs_about_jobs", "test_groups.py::test_cancel_of_a_group_leaves_the_others"],
    "pause": ["test_wait.py::test_haulctl_pauses_groups_and_everything"],
    "resume": ["test_wait.py::test_haulctl_pauses_groups_and_everything"],
    "group": ["test_wait.py::test_haulctl_group_makes_and_removes"],
    "set": ["test_set.py::test_url_of_a_queued_job", "test_set.py::test_what_was_set_survives_kill_9",
            "test_set.py::test_haulctl_set", "test_set_many.py::test_haulctl_takes_filters"],
    "remove": ["test_ctl.py::test_remove"],
    "retry": ["test_control.py::test_retry_begins_anew_under_the_same_id"],
    "run": ["test_schedule.py::test_run_begins_one_now_and_the_times_stay"],
    "events": ["test_events.py::test_haulctl_events_and_log", "test_events.py::test_a_slow_reader_is_told_what_it_lost"],
    "log": ["test_events.py::test_the_log_of_a_job_and_of_all"],
    "event": ["test_order.py::test_what_haulctl_event_refuses"],
    "hosts": ["test_ctl.py::test_hosts"],
    "limit": ["test_rate.py::test_haulctl_limit"],
    "workers": ["test_ctl.py::test_workers"],
    "stats": ["test_stats.py::test_prometheus_reads_it", "test_stats.py::test_figures_for_people"],
    "debug": ["test_stats.py::test_debug_is_switched_while_it_runs"],
    "config": ["test_ctl.py::test_config_is_in_the_syntax_of_the_configuration"],
    "check": ["test_ctl.py::test_check_and_reload"],
    "reload": ["test_ctl.py::test_check_and_reload", "test_service.py::test_a_broken_configuration_changes_nothing"],
    "drain": ["test_ctl.py::test_drain_and_shutdown", "test_service.py::test_drain_lets_what_runs_end_and_starts_nothing"],
    "shutdown": ["test_ctl.py::test_drain_and_shutdown"],
    "version": ["test_ctl.py::test_version"],
    "completions": ["test_ctl.py::test_completions_are_valid"],
    "help": ["test_ctl.py::test_help_goes_to_stdout_and_needs_no_hauld"],
}

TABLES = {"scheduler": SCHEDULER, "reasons": REASONS, "verbs": VERBS}


@pytest.mark.parametrize("table, word", [(t, w) for t, rows in TABLES.items() for w in rows])
def test_every_word_has_its_tests(table, word):
    references = TABLES[table][word]
    assert references and [r for r in references if not exists(r)] == []


def words(path, pattern):
    with open(os.path.join(PROJECT, path), encoding="utf-8") as f:
        return set(re.findall(pattern, f.read()))


@pytest.mark.parametrize("table, path, pattern", [
    ("reasons", "src/daemon/control/why_text.c", r'(?m)^\t\{ "([a-z-]+:?)", put_'),
    ("verbs", "src/ctl/verbs.c", r'(?m)^\t\{ "([a-z-]+)", "[^"]*", '),
])
def test_no_word_is_without_a_row(table, path, pattern):
    assert words(path, pattern) == set(TABLES[table])

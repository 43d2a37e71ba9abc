"""What servers, and those who name them, do to a downloader: one row for each class, and
the tests that show what haul does about it.  A row without a test, or a test that is not
there any more, fails here."""

import os
import re

import pytest
from references import TESTS, exists

# What libcurl 7.88.1 takes for success, or leaves to the program.
LIBCURL = {
    "body shorter than its length, chunks cut or malformed": [
        "test_misbehaving.py::test_refused", "test_misbehaving.py::test_refused_over_tls", "check_complete.c::a_body_is_whole_or_not"],
    "two different Content-Lengths": ["test_misbehaving.py::test_refused", "test_hostile.py::test_framing_tricks_publish_nothing"],
    "Content-Length: 12abc": ["test_misbehaving.py::test_refused", "check_response.c::content_length_is_digits_or_a_list_of_the_same"],
    "Content-Length beyond 2^63": ["test_misbehaving.py::test_refused", "test_hostile.py::test_framing_tricks_publish_nothing"],
    "negative Content-Length, NUL in a header, no colon": [
        "test_misbehaving.py::test_refused", "test_hostile.py::test_framing_tricks_publish_nothing", "check_response.c::bad_header_lines"],
    "Transfer-Encoding and Content-Length": [
        "test_misbehaving.py::test_odd_but_right", "test_hostile.py::test_chunks_count_more_than_a_length_and_that_is_logged"],
    "HTTP/0.9, garbage, bad status": ["test_misbehaving.py::test_refused", "test_hostile.py::test_framing_tricks_publish_nothing"],
    "headers without end": ["test_hostile.py::test_floods_end", "check_response.c::too_many_bytes_are_refused",
                            "check_response.c::too_many_lines_are_refused",
                            "check_response.c::endless_informational_answers_are_refused"],
    "no length, connection cut": ["test_misbehaving.py::test_unproven_names_the_way_out",
                                  "test_misbehaving.py::test_a_right_checksum_proves_the_end"],
    "the same over TLS without close_notify": ["test_misbehaving.py::test_over_tls_without_close_notify_nothing_is_proven",
                                               "test_misbehaving.py::test_over_tls_close_notify_is_the_end"],
    "Content-Encoding nobody asked for": ["test_misbehaving.py::test_refused", "test_hostile.py::test_framing_tricks_publish_nothing",
                                          "test_misbehaving.py::test_an_unasked_coding_with_the_checksum_of_something_else"],
    "304, 206, 204, 205, 203 unasked": ["test_misbehaving.py::test_refused", "test_hostile.py::test_framing_tricks_publish_nothing"],
    "resume: 200, another start, all as 206, no Content-Range, multipart": ["test_resume.py::test_another_file_is_begun_anew"],
    "resume: unreadable Content-Range": ["test_resume.py::test_another_file_is_begun_anew", "check_response.c::content_ranges"],
    "resume: another total, or past the end": ["test_resume.py::test_another_file_is_begun_anew",
                                               "check_complete.c::a_rest_is_that_of_the_same_file_or_not"],
    "resume: 206 shorter than asked": ["test_resume.py::test_another_file_is_begun_anew"],
    "resume: 416": ["test_resume.py::test_another_file_is_begun_anew"],
    "resume: the file changed, If-Range is ignored": ["test_resume.py::test_without_a_digest_nothing_is_mixed",
                                                      "test_resume.py::test_a_weak_validator_is_none"],
    "resume: right header, wrong bytes": ["test_resume.py::test_a_lie_is_given_one_chance_only"],
    "redirect to file, ftp and others": ["test_redirect.py::test_only_http_and_https_are_followed"],
    "redirect from https to http": ["test_redirect.py::test_https_never_becomes_http"],
    "credentials and custom headers on a redirect": [
        "test_redirect.py::test_headers_stay_with_their_origin", "test_redirect.py::test_headers_do_not_go_from_http_to_https",
        "test_redirect.py::test_headers_stay_with_their_origin_over_https", "test_redirect.py::test_headers_do_not_go_to_another_host",
        "test_hostile.py::test_a_client_certificate_stays_with_its_origin"],
    "headers that drip": ["test_hostile.py::test_a_header_that_drips_is_stalled", "check_pace.c::a_header_has_to_end"],
}

CLASSES = {
    "path traversal by a name of the server": [
        "test_hostile.py::test_a_name_that_none_may_have_is_refused", "test_hostile.py::test_a_name_is_decoded_once",
        "test_hostile.py::test_a_server_names_no_file", "check_url.c::file_names"],
    "absolute paths, destinations outside": ["test_publish.py::test_outside_of_the_roots_is_refused",
                                             "test_publish.py::test_a_mount_below_the_root_is_not_crossed"],
    "symbolic links in the destination": [
        "test_destinations.py::test_a_link_under_the_final_name_is_replaced",
        "test_destinations.py::test_a_link_that_comes_meanwhile_is_replaced",
        "test_publish.py::test_a_symlinked_directory_below_the_root_is_refused",
        "test_publish.py::test_a_staging_directory_that_is_a_symlink_is_not_followed"],
    "directories that move": ["test_destinations.py::test_a_directory_that_changes_meanwhile",
                              "test_destinations.py::test_a_service_finds_a_directory_that_was_made_anew",
                              "check_publish.c::a_kept_directory_that_was_moved_is_opened_anew"],
    "overwriting and removing a wrong file": [
        "test_destinations.py::test_a_directory_under_the_final_name_is_refused_in_words",
        "test_publish.py::test_foreign_files_in_a_staging_directory_are_left_alone", "test_publish.py::test_modes",
        "test_misbehaving.py::test_failures_leave_the_old_file_alone"],
    "two jobs for one destination": ["test_destinations.py::test_one_destination_is_a_lock",
                                     "test_destinations.py::test_a_destination_is_free_when_its_job_failed_or_was_cancelled"],
    "terminal escapes, line ends in logs": ["test_hostile.py::test_hostile_texts_are_seen_escaped",
                                            "test_output.py::test_no_hostile_byte_reaches_the_terminal"],
    "request forgery by redirect or DNS rebinding": [
        "test_addresses.py::test_no_file_is_there", "test_addresses.py::test_public_hosts_lead_to_no_private_one",
        "test_addresses.py::test_the_way_back_is_closed_too", "test_addresses.py::test_a_name_that_leads_elsewhere_at_the_next_hop",
        "test_addresses.py::test_a_connection_that_stands_opens_no_way", "test_addresses.py::test_another_address_of_the_name_is_taken",
        "test_addresses.py::test_the_proxy_is_exempt_and_what_is_behind_it_is_not_seen",
        "check_address.c::each_range_is_what_the_registries_say", "check_gate.c::a_literal_is_judged_however_it_is_written"],
    "credentials to another host": ["test_redirect.py::test_headers_stay_with_their_origin", "check_transfer.c::secrets_go_to_the_origin_only",
                                    "test_redirect.py::test_credentials_in_a_location_are_refused",
                                    "test_proxy.py::test_job_headers_are_not_for_the_proxy_of_a_tunnel"],
    "netrc": ["test_hostile.py::test_netrc_is_not_asked"],
    "a connection used again by another identity": [
        "test_hostile.py::test_jobs_keep_their_identities_on_one_connection", "check_transfer.c::other_certificates_never_get_the_connection",
        "check_transfer.c::another_pinned_key_never_gets_the_connection", "check_transfer.c::a_session_is_resumed_by_its_own_identity_only"],
    "secrets in logs, arguments, attributes": [
        "test_secrets.py::test_nothing_that_is_shown_has_a_secret", "test_secrets.py::test_processes_show_no_secret",
        "test_secrets.py::test_only_the_store_keeps_them_and_only_for_its_owner", "test_secrets.py::test_refusals_show_no_secret",
        "check_child.c::a_child_has_no_proxy_in_its_environment"],
    "line ends in urls and headers": ["test_hostile.py::test_no_line_ends_through_the_door", "check_url.c::refusals"],
    "memory for headers and cookies": ["test_hostile.py::test_floods_end", "test_hostile.py::test_cookies_are_never_kept"],
    "decompression bombs": ["test_decode.py::test_max_expansion", "test_decode.py::test_max_uncompressed",
                            "test_decode.py::test_decoder_memory_bounds_a_window", "check_worker.c::a_bomb_is_stopped_at_its_bound"],
    "names, trailers and members of archives": ["test_decode.py::test_gzip_header_with_every_field", "test_decode.py::test_trailing_garbage",
                                                "test_decode.py::test_gzip_wrong_crc_and_wrong_size",
                                                "test_decode.py::test_concatenated_archives"],
    "a truncated body taken for a whole one": ["test_misbehaving.py::test_truncated_is_never_allowed",
                                               "check_complete.c::nothing_but_a_proof_or_a_later_judge_passes"],
    "two versions of a file in one": ["test_resume.py::test_another_file_is_begun_anew", "test_resume.py::test_without_a_digest_nothing_is_mixed"],
    "mirrors mixed": ["test_hostile.py::test_what_one_mirror_began_no_other_goes_on_with",
                      "test_retry.py::test_without_a_digest_a_mirror_begins_anew"],
    "Content-Encoding confused with .gz": ["test_misbehaving.py::test_an_unasked_coding_is_fine_when_the_checksum_of_the_raw_bytes_holds",
                                           "check_transfer.c::the_bytes_are_asked_for_as_they_are"],
    "slow loris, endless bodies, redirect loops": [
        "test_hostile.py::test_a_body_that_drips_is_stalled", "test_limits.py::test_stall_timeout", "check_pace.c::the_defaults_bound_a_drip",
        "test_misbehaving.py::test_an_endless_body_ends_at_max_filesize", "test_redirect.py::test_twenty_redirects_are_enough",
        "test_redirect.py::test_a_long_location"],
    "retry storms, Retry-After": ["check_retry.c::the_delays_are_spread_evenly", "check_retry.c::retry_after_is_the_least",
                                  "test_retry.py::test_retry_after_is_the_least", "test_retry.py::test_retry_after_has_a_cap",
                                  "test_retry.py::test_a_server_that_asks_for_time_is_spared",
                                  "check_origins.c::one_probe_at_a_time_until_one_succeeds",
                                  "test_limits.py::test_permanent_answers_are_asked_once"],
    "certificates": ["test_tls.py::test_a_certificate_that_is_not_right", "test_tls.py::test_a_wrong_host_name",
                     "test_tls.py::test_an_unknown_authority", "test_tls.py::test_a_pinned_key"],
    "the proxy of the environment": ["test_proxy.py::test_a_service_obeys_no_variable", "test_proxy.py::test_which_variables_count",
                                     "test_proxy.py::test_no_proxy_of_the_environment_is_nothing_to_a_configured_proxy",
                                     "check_proxy.c::each_case_has_its_proxy"],
    "a control socket for everyone": ["test_control.py::test_only_owner_and_group_reach_the_socket",
                                      "test_control.py::test_control_policy_says_who_may"],
    "control requests and frames": ["test_control.py::test_a_line_over_1_mib_ends_the_connection",
                                    "test_control.py::test_a_client_that_sends_and_does_not_read_is_not_read_from",
                                    "check_frame.c::bad_frames_are_refused"],
    "too few descriptors": ["test_hostile.py::test_too_few_descriptors_fail_nothing"],
    "an announced petabyte": ["test_misbehaving.py::test_an_announced_petabyte_costs_nothing",
                              "test_hostile.py::test_an_announced_size_is_counted_in_64_bits"],
    "the order of sync and rename": ["check_publish.c::the_order_is_sync_rename_sync_dir",
                                     "check_publish.c::a_failed_sync_is_not_repeated_and_nothing_is_renamed"],
    "a rename to another filesystem": ["check_publish.c::a_rename_over_a_border_is_refused_in_words"],
    "two daemons on one state": ["test_control.py::test_a_second_hauld_leaves_the_first_alone", "check_store.c::two_stores_never_share_a_directory"],
    "a worker that crashes, hangs or lies": ["test_workers.py::test_a_job_that_kills_every_worker_fails_by_name",
                                             "test_workers.py::test_a_stopped_worker_is_replaced", "check_pool.c::a_worker_that_lies_is_killed"],
    "a broken configuration at a reload": ["test_service.py::test_a_broken_configuration_changes_nothing",
                                           "test_conf.py::test_hostile_files_are_refused_at_once"],
    "a job that changes while it runs": ["test_service.py::test_reload_adds_changes_retires_and_leaves_the_rest_alone"],
    "verified data that changes before it is published": ["check_worker.c::a_part_that_is_swapped_before_publishing_is_refused",
                                                          "check_worker.c::a_part_that_is_another_file_is_refused"],
    "descriptors and signals in children": ["check_child.c::a_child_has_no_descriptor_that_it_was_not_given",
                                            "check_child.c::a_child_has_default_signals_and_an_empty_mask"],
}


@pytest.mark.parametrize("row", [*LIBCURL, *CLASSES])
def test_every_row_has_its_tests(row):
    references = {**LIBCURL, **CLASSES}[row]
    assert references and [r for r in references if not exists(r)] == []


def test_every_behaviour_of_the_server_is_used():
    """A way to misbehave that nobody is tested against shows nothing."""
    routes, texts = [], ""
    for directory, pattern in (("lib", r'@route\("([^"]+)"\)'), ("func", None)):
        for name in sorted(os.listdir(os.path.join(TESTS, directory))):
            if not name.endswith(".py"):
                continue
            with open(os.path.join(TESTS, directory, name), encoding="utf-8") as f:
                text = f.read()
            found = re.findall(pattern, text) if pattern else []
            routes += found
            if not found: # a test, or what tests have in common
                texts += text
    assert len(routes) > 60
    assert [r for r in routes if "/%s" % r not in texts and '"%s"' % r not in texts] == []

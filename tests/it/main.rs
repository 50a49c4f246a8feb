//! The one integration-test binary: real servers on loopback, none of them shared between tests. What belongs where:
//!
//! - `against`: two databases side by side: what differs is found, and little is read twice
//! - `answers`: the migration against the answer key, cell by cell, on libraries of several kinds
//! - `architecture`: layers, lengths, and that the engine knows no particular migration
//! - `campaign`: random scripts of faults, kills and damaged ledgers: nothing lost, nothing twice
//! - `conformance`: what every source of rows holds to: both readers of PostgreSQL, and the raw tables of a run
//! - `connectorx`: what is particular to that reader (cargo feature `connectorx`)
//! - `connection`: TLS, where parameters come from, what a user may read, and that secrets stay secret
//! - `credentials`: where those of a bucket come from, and what is written with each object
//! - `definitions`: queries and rows against the target's definitions, live and pulled; what is covered and what is not
//! - `dependencies`: licences, and one stack of each kind
//! - `doubt`: what a load that was broken off left in doubt, the next one settles
//! - `extract`: extraction and verification: one moment, damage named, resuming
//! - `faults`: extraction while sessions, servers and networks fail, and while others write (`proxy` and `cluster` are
//!   what these share)
//! - `flex_server`: the local Flex over real HTTP
//! - `flex_surface`: the rest of its API: deletion, releases, lists, queries, what other clients use; every type of field
//! - `json`: documents read: the sample's as their answer key has them, hostile and large ones
//! - `library`: the sample source database in a real PostgreSQL: counts, keys, sameness
//! - `flex_faults`: every fault and switch of the local Flex, seen over HTTP
//! - `flex_client`: the client against the local Flex, and raw sockets that do what no Flex should
//! - `load`: first and second loads, faults, kills; `mapped` is the run they load
//! - `memory`: `queries/` over a rehearsal: threads and memory change no row, too little of it ends cleanly
//! - `migration`: `queries/` over the sample library: clean and dirty, one thread and three
//! - `order`: parents before children, where a definition requires a reference
//! - `pace`: the client's pace against servers that limit requests, go away and come back
//! - `plan`: what is planned is what is sent, byte for byte; canaries, changed definitions, a lost ledger
//! - `queries`: the SQL as text: heads that name their rules, and duplicates compared in every mapped field
//! - `reconcile`: reading Flex back
//! - `scan`: reading all assets of servers that cut, repeat, shuffle and move their lists
//! - `security`: the client among servers that lie, lure, break off and cannot prove their name
//! - `shapes`: tables of every shape, name and size, on every server: read whole, once, in even slices, within memory
//! - `source`: the PostgreSQL reader: types, discovery, slices, broken reads
//! - `verbs`: what people do with the ledger: rebuild, undo, prune, rejects, plans for production, its tables
//! - `store_faults`: buckets that fail and deny, foreign files, links, flipped bytes, and what is left over
//! - `stores`: what a staging area promises, on memory, a folder and two S3-compatible servers (`buckets` starts these)
//! - `types`: every PostgreSQL type through Parquet and back, random values, and bytes that are no values
//! - `transform`: project folders with SQL over real Parquet: plans, runs, checks, balance, what is kept and
//!   what is made again
//!
//! Through the binary, as users and scripts call it (`support` is what these share):
//!
//! - `adversity`: loads among answers and surroundings that no other test has
//! - `advice`: what the verbs of a load say when something is in their way
//! - `cli`: exit codes, messages, settings, secrets, results
//! - `conflicts`: documents against definitions, declarations, each other and the delivery before
//! - `deliver`: documents between buckets: copied, named, purged, published; faults, kills, changed sources
//! - `full_disk`: verbs on a disk without room
//! - `instances`: documents through SQL into the target's form, held against their answer key
//! - `kills`: extractions killed at random, stopped by signals and short of disk, files and threads, and then resumed
//! - `outside`: DuckDB and pyarrow open every file of a run and agree with PostgreSQL
//! - `rehearsal`: the whole job twice, its files and servers, and what is left when it is broken off
//! - `resume`: loads killed again and again end like an unbroken one; reading back tells what was falsified
//! - `signals`: loads stopped at any moment, a target that hangs, a ledger in use, odd surroundings
//! - `s3`: the same run in S3-compatible stores
//! - `s3_kills`: runs into a bucket that are killed again and again
//!
//! # Which test shows which fault of the staging area, of a load and of the process
//! | fault | shown by |
//! |---|---|
//! | 33 killed while writing; what is left over | `kills::killed_fifty_times_and_resumed_it_ends_like_an_unbroken_extraction`, `s3_kills::killed_again_and_again_a_run_in_a_bucket_ends_like_an_unbroken_one`, `store_faults::orphans_of_a_bucket_are_told_and_swept`, `store_faults::orphans_of_a_folder_are_told_and_swept`, `deliver::uploads_of_killed_deliveries_are_ended_and_nobody_elses` |
//! | 34 parts fail, 503, 500 after it was stored, cut answers | `store_faults::a_bucket_that_slows_down_is_waited_for_and_every_request_is_counted`, `store_faults::what_was_done_and_denied_is_found_done`, `store_faults::an_upload_of_which_a_part_fails_is_ended`, `store_faults::an_answer_that_breaks_off_is_asked_for_again_or_told` |
//! | 35 two that write one run | `s3::a_run_in_moto_is_the_run_on_disk`, `s3::a_run_in_s3s_is_the_run_on_disk` |
//! | 36 disk full, limits | `kills::without_room_for_a_file_it_names_the_file_and_leaves_nothing_half_done`, `full_disk::an_extraction_says_that_the_disk_is_full_and_goes_on_when_it_is_not`, `full_disk::a_delivery_onto_a_full_disk_goes_on_when_there_is_room` |
//! | 37 durable files | `store_faults::what_is_written_to_a_folder_is_synced_and_then_its_folder` |
//! | 38 files and manifests damaged or foreign | `store_faults::a_changed_byte_anywhere_is_named`, `store_faults::a_changed_byte_of_a_manifest_is_named_or_harmless` |
//! | 39 hostile names and prefixes | `store_faults::a_prefix_that_would_lead_elsewhere_is_refused_before_anything_is_sent`, `shapes::every_name_has_a_folder_of_its_own_and_is_kept` |
//! | 40 links and files in the way | `store_faults::what_is_in_the_way_in_a_folder_is_named_and_what_links_lead_to_stays` |
//! | 41 bombs and depth in documents; files that claim what they are not | `json::a_bomb_ends_where_it_has_grown_too_much_and_a_reader_that_fails_is_an_error`, `json::hostile_bytes_are_listed_with_their_place_however_they_are_written`, `store_faults::a_changed_byte_anywhere_is_named` |
//! | 43 refused or reset before a request is sent | `flex_client::a_target_that_stays_away_is_a_transient_error`, `load::no_fault_makes_a_second_asset_or_loses_one` |
//! | 44 made and not answered: dropped, late, 5xx | `flex_client::a_post_of_unclear_outcome_is_not_repeated`, `load::no_fault_makes_a_second_asset_or_loses_one`, `load::what_cannot_be_proven_is_held_and_never_posted_again`, `campaign::no_script_of_faults_loses_an_asset_or_makes_a_second_one` |
//! | 45 killed between an asset and its values | `load::killed_loads_resume`, `campaign::killed_anywhere_and_resumed_a_load_ends_like_an_unbroken_one` |
//! | 46 429 and 503, `Retry-After` in every form | `adversity::what_a_target_asks_to_wait_is_waited_by_all`, `adversity::what_no_wait_can_be_is_none`, `flex::a_spent_budget_says_so_and_requests_earn_it_back`, `pace::a_hidden_limit_that_makes_all_wait_a_second_is_used_and_kept_to`, `pace::a_hidden_limit_that_makes_all_wait_until_a_date_is_used_and_kept_to` |
//! | 47 401 or 403 in the midst | `load::refused_rows_fail_alone_and_refused_credentials_stop_everything`, `flex_client::refused_credentials_are_sent_once`, `campaign::no_script_of_faults_loses_an_asset_or_makes_a_second_one` |
//! | 48 400 or 422 for one row, a threshold | `load::refused_rows_fail_alone_and_refused_credentials_stop_everything`, `verbs::rejects_traces_and_tables_through_the_binary`, `advice::what_cannot_be_done_says_what_can` |
//! | 49 409 | `adversity::an_asset_that_is_there_already_is_taken_and_not_made_again`, `campaign::no_script_of_faults_loses_an_asset_or_makes_a_second_one` |
//! | 50 slow, degrading, away | `pace::after_a_spell_of_a_lower_limit_the_former_is_used_again_within_five_seconds`, `pace::after_a_spell_of_slow_answers_the_limit_is_used_again_within_five_seconds`, `pace::a_server_that_goes_away_is_probed_and_waited_for` |
//! | 51 redirects | `security::redirects_are_reported_with_their_place_and_never_followed` |
//! | 52 bodies endless, slow, cut, zipped, no JSON | `flex_client::bodies_are_bounded_in_size_and_time`, `security::what_is_no_answer_leaves_a_post_unclear`, `security::an_answer_cut_at_any_byte_is_unclear`, `security::no_answer_makes_the_client_grow_without_bound` |
//! | 53 any value in a matrix parameter | `flex::every_value_comes_back`, `security::any_name_is_found_again_by_exactly_that_name` |
//! | 54 pages that repeat, miss, ignore | `flex_client::pages_that_repeat_or_end_early_are_an_error`, `scan::limits_that_are_ignored_or_lowered_do_not_matter`, `load::what_cannot_be_proven_is_held_and_never_posted_again` |
//! | 55 2xx and something else stored | `plan::a_target_that_alters_values_is_found_out_with_the_first_rows`, `reconcile::lossy_storage_is_found_and_bad_lists_do_no_harm` |
//! | 56 the same again; what changed, what is gone | `load::a_first_load_brings_everything_and_a_second_sends_nothing`, `load::what_changed_is_updated_and_what_is_gone_is_reported` |
//! | 57 SIGINT and SIGTERM, once and twice | `signals::stopped_anywhere_and_resumed_a_load_ends_like_an_unbroken_one`, `signals::a_ledger_in_use_is_refused_and_a_second_signal_ends_at_once`, `signals::a_target_that_hangs_in_a_load_does_not_hold_the_process` |
//! | 58 SIGKILL at any time | `campaign::killed_anywhere_and_resumed_a_load_ends_like_an_unbroken_one`, `resume::killed_at_random_and_resumed_it_ends_like_an_unbroken_load`, `verbs::an_undo_that_is_killed_again_and_again_removes_everything_once` |
//! | 59 a ledger damaged, locked, foreign, lost, without room | `campaign::a_truncated_or_foreign_ledger_is_refused`, `campaign::a_flipped_bit_makes_no_second_asset_and_the_copy_mends_all`, `campaign::a_ledger_that_another_program_has_locked_is_refused`, `campaign::without_leave_or_room_to_write_a_load_stops_and_resumes_later`, `advice::a_lost_ledger_is_told_by_every_verb_that_needs_it` |
//! | 60 two processes, one ledger | `signals::a_ledger_in_use_is_refused_and_a_second_signal_ends_at_once` |
//! | 61 outputs full or closed | `adversity::outputs_that_are_full_or_closed_lose_no_row`, `signals::surroundings_change_no_byte_of_what_is_sent` |
//! | 62 clocks, time zones, languages | `adversity::a_clock_that_jumps_changes_nothing_in_the_target`, `signals::surroundings_change_no_byte_of_what_is_sent` |
//! | 63 few files, little memory | `adversity::with_few_files_or_little_memory_a_load_ends_well_or_goes_on_later` |
//! | 64 dependencies: licences, doubles | `dependencies::licences_are_permitted`, `dependencies::there_is_one_stack_of_each_kind` |
//!
//! The numbers are those of the specification of reliability. Advisories (part of 64) need a database that the tests do not have.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod adversity;
mod advice;
mod against;
mod answers;
mod architecture;
mod buckets;
mod campaign;
mod cli;
mod cluster;
mod conflicts;
mod conformance;
mod connection;
#[cfg(feature = "connectorx")]
mod connectorx;
mod credentials;
mod definitions;
mod deliver;
mod dependencies;
mod doubt;
mod extract;
mod faults;
mod flex_client;
mod flex_faults;
mod flex_server;
mod flex_surface;
mod full_disk;
mod instances;
mod json;
mod kills;
mod library;
mod load;
mod mapped;
mod mappings;
mod memory;
mod migration;
mod order;
mod outside;
mod pace;
mod plan;
mod proxy;
mod queries;
mod reconcile;
mod rehearsal;
mod resume;
mod s3;
mod s3_kills;
mod scan;
mod security;
mod shapes;
mod signals;
mod source;
mod store_faults;
mod stores;
mod support;
mod transform;
mod types;
mod verbs;

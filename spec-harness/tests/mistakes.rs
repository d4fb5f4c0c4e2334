//! Every mistake that a case file can hold, and how it is shown.
//!
//! `ui/NAME.yaml` is a file with the mistake, `ui/NAME.snap` what the author reads.

use spec_harness::case::ast::Case;
use spec_harness::model::review;

/// What is printed for the file of this name.
fn shown(name: &str) -> String {
    let path = format!("{}/tests/ui/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let problems = Case::parse(name, &text).map_or_else(|problems| problems, |case| review(&case));
    assert!(!problems.is_empty(), "{path} holds no mistake");
    let shown: Vec<_> = problems
        .iter()
        .map(|problem| problem.render(&text, false))
        .collect();
    shown.join("\n\n")
}

macro_rules! mistakes {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                let name = stringify!($name);
                let mut settings = insta::Settings::clone_current();
                settings.set_snapshot_path("ui");
                settings.set_prepend_module_to_snapshot(false);
                settings.set_omit_expression(true);
                settings.bind(|| insta::assert_snapshot!(name, shown(name)));
            }
        )*

        #[test]
        fn every_file_of_a_mistake_has_a_test() {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ui");
            let tests = [$(stringify!($name)),*];
            for entry in std::fs::read_dir(folder).expect(folder) {
                let name = entry.expect(folder).file_name();
                let name = name.to_string_lossy();
                let stem = name.split('.').next().unwrap_or_default();
                assert!(tests.contains(&stem), "{name}");
            }
        }
    };
}

mistakes! {
    a_bad_expression_is_shown_at_its_place
    a_body_cannot_make_a_pool
    a_body_that_is_no_list_is_refused
    a_brace_that_is_not_closed_is_refused
    a_bracket_that_is_not_closed_is_refused
    a_call_as_in_python_is_a_step
    a_call_from_a_body_is_a_call_of_the_pool
    a_call_from_a_body_is_checked_as_a_step
    a_call_with_too_many_arguments_is_refused
    a_callback_takes_one_parameter
    a_claim_needs_a_verdict
    a_comprehension_is_a_loop
    a_conditional_expression_is_a_step
    a_fate_of_an_unknown_task_is_refused
    a_file_of_two_characters_a_line_end_is_shown_without_them
    a_file_with_a_byte_order_mark_has_its_columns
    a_handle_that_was_never_made_is_told_how_to_be_named
    a_key_among_items_is_shown_where_it_belongs
    a_key_between_two_columns_is_shown_where_it_belongs
    a_key_that_stands_twice_is_refused
    a_kind_of_error_is_one_word
    a_kind_of_worker_under_on_is_known
    a_limit_of_no_time_is_refused
    a_line_that_depends_on_who_is_first_needs_any
    a_line_that_yaml_reads_as_a_mapping_is_refused
    a_list_is_no_case
    a_loop_without_steps_is_refused
    a_map_of_a_task_with_two_parameters_is_refused
    a_map_with_arguments_is_refused
    a_map_without_items_is_refused
    a_merge_key_is_refused
    a_method_of_a_pool_is_a_step
    a_missing_version_title_and_program_are_all_reported
    a_misspelt_key_is_not_missing_as_well
    a_modifier_as_a_step_of_its_own_is_refused
    a_modifier_that_does_not_go_with_the_step_is_refused
    a_number_of_workers_is_not_negative
    a_number_of_workers_is_whole
    a_number_that_is_too_large_is_refused
    a_parameter_has_no_default
    a_parameter_that_is_no_name_is_refused
    a_parameter_that_stands_twice_is_refused
    a_path_of_windows_has_backslashes
    a_pool_is_made_by_a_step
    a_pool_is_no_value
    a_pool_of_too_many_workers_is_refused
    a_pool_that_was_dropped_is_refused
    a_process_without_a_name_is_refused
    a_program_that_hangs_is_shown_where
    a_program_that_is_no_list_is_refused
    a_quote_that_is_not_closed_is_shown_where_it_begins
    a_race_is_shown_where_the_results_part
    a_range_is_written_as_a_call
    a_range_that_is_too_long_is_refused
    a_result_is_kept_by_as
    a_section_without_a_colon_is_told_so
    a_starmap_with_tuples_of_the_wrong_length_is_refused
    a_step_before_any_pool_is_refused
    a_step_has_a_blank_behind_its_colon
    a_step_that_raises_and_blocks_is_refused
    a_step_that_raises_has_no_result
    a_step_that_takes_another_time_is_refused
    a_step_without_its_dash_is_refused
    a_tab_that_indents_is_shown
    a_task_is_named_alone
    a_task_is_no_function_of_an_expression
    a_task_that_stands_twice_is_refused
    a_task_without_its_colon_is_shown
    a_time_has_no_unit
    a_time_that_nobody_can_wait_is_refused
    a_title_of_the_wrong_type_is_refused
    a_token_that_cancels_nothing_is_refused
    a_truth_is_no_number_of_workers
    a_tuple_in_brackets_of_yaml_needs_quotes
    a_value_in_quotes_is_an_expression_all_the_same
    a_variable_of_main_is_unknown_in_a_task
    a_version_in_quotes_is_no_number
    an_alias_is_refused
    an_anchor_is_refused
    an_argument_has_no_name
    an_assignment_is_a_let
    an_empty_file_is_refused
    an_empty_range_of_tasks_is_refused
    an_error_has_the_name_of_this_language
    an_error_of_a_body_is_told_once
    an_error_that_is_not_caught_says_what_to_write
    an_error_that_no_task_raises_is_not_tried_again
    an_escape_that_yaml_has_not_is_refused
    an_exception_is_no_call
    an_expectation_for_a_kind_the_case_is_not_for_is_refused
    an_expectation_that_contradicts_the_model_is_refused
    an_expression_that_cannot_have_a_value_is_refused
    an_f_string_is_a_format
    an_f_string_is_nothing_to_print
    an_initializer_is_a_call
    an_instant_that_stands_twice_is_refused
    an_item_among_keys_is_refused
    an_item_between_two_columns_is_shown_where_it_belongs
    an_item_has_a_blank_behind_its_dash
    an_iterator_is_no_list
    an_iterator_without_a_name_is_refused
    an_order_that_gives_something_else_is_shown
    an_order_that_says_nothing_is_refused
    an_undefined_pool_finds_the_one_meant
    an_undefined_task_finds_the_one_meant
    an_undefined_variable_finds_the_one_meant
    an_unknown_ability_finds_the_one_meant
    an_unknown_document_is_refused
    an_unknown_error_finds_the_one_meant
    an_unknown_example_finds_the_one_meant
    an_unknown_fate_finds_the_one_meant
    an_unknown_key_of_a_case_finds_the_one_meant
    an_unknown_key_of_a_step_finds_the_one_meant
    an_unknown_kind_of_worker_is_refused
    an_unknown_operation_finds_the_one_meant
    an_unknown_row_of_the_contract_is_refused
    an_unknown_step_finds_the_one_meant
    an_unknown_version_is_refused
    an_unknown_word_lists_the_steps
    blocks_is_forever_or_nothing
    braces_are_for_what_is_printed
    braces_without_quotes_are_a_mapping
    in_stands_on_each_step_of_a_loop
    schedules_inside_of_schedules_are_refused
    schedules_that_are_all_alike_are_refused
    several_documents_in_one_file_are_refused
    several_mistakes_are_reported_at_once
    takes_is_a_time
    text_behind_a_quote_needs_quotes_around_all
    text_that_begins_with_a_brace_needs_quotes
    text_that_begins_with_a_star_needs_quotes
    text_with_a_colon_needs_quotes
    text_without_quotes_of_its_own_is_no_expression
    the_column_counts_characters
    the_lines_of_an_instant_are_a_list
    the_pool_is_named_by_on
    the_size_of_a_pool_is_an_option
    two_fates_for_one_task_are_refused
    two_operations_in_one_item_are_refused
    two_steps_in_one_item_are_refused
    what_depends_on_an_idle_worker_is_refused
    what_depends_on_the_machine_is_refused
    who_has_no_handle_kills_no_worker
}

"""What is known of a class: marks, the log, feedback pages, reports, files for Moodle."""

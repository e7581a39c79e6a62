"""What Airflow sees: operators, triggers, notifiers and links, a file a stage."""

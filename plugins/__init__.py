"""What Airflow's UI shows: the model page."""

"""Rollouts in a Kubernetes cluster: a controller beside the models, a record as custom resource, a route."""

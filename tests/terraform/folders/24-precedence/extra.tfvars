c = "extra.tfvars"

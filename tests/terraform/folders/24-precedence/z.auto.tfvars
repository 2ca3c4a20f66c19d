b = "z.auto.tfvars"
c = "z.auto.tfvars"

variable "maintenance_mode" {
  type    = bool
  default = false
}

resource "aws_route53_record" "app" {
  zone_id = "Z0ZONE"
  name    = "app.example.com"
  type    = "TXT"
  ttl     = 60
  records = concat(
    [trimspace(templatefile("${path.module}/state.tftpl", { on = var.maintenance_mode, names = ["a", "b"] }))],
    split("\n", chomp(file("lines.txt"))),
    [<<-EOT
      v=1 ${var.maintenance_mode}%{ if var.maintenance_mode } closed%{ endif }
    EOT
    ],
  )
}

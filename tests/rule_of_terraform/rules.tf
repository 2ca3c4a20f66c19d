variable "maintenance_mode" {
  type    = bool
  default = false
}

resource "aws_lb_listener_rule" "shop" {
  listener_arn = aws_lb_listener.web.arn
  priority     = 20

  condition {
    host_header {
      values = ["shop.example.com"]
    }
  }
  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.web.arn
  }
}

resource "aws_lb_listener_rule" "maintenance" {
  count        = var.maintenance_mode ? 1 : 0
  listener_arn = aws_lb_listener.web.arn
  priority     = 19

  condition {
    host_header {
      values = ["shop.example.com"]
    }
  }
  action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      message_body = "Back soon."
      status_code  = "503"
    }
  }
}

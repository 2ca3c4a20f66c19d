# What the seed's author has beside main.tf: the load balancer, its tasks, and where the pipeline reads the boolean.
variable "url" {}
variable "route53_zone_id" {}
variable "tasks" {
  type = list(number)
}
variable "stack" {}
variable "distribution" {}

provider "aws" {
  region                      = "us-east-1"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  s3_use_path_style           = true
}

resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "each" {
  count             = 2
  vpc_id            = aws_vpc.main.id
  cidr_block        = "10.0.${count.index}.0/24"
  availability_zone = ["us-east-1a", "us-east-1b"][count.index]
}

resource "aws_lb" "load_balancer" {
  name               = var.stack
  load_balancer_type = "application"
  subnets            = aws_subnet.each[*].id
}

resource "aws_lb_target_group" "web" {
  name        = var.stack
  port        = 80
  protocol    = "HTTP"
  target_type = "ip"
  vpc_id      = aws_vpc.main.id
}

resource "aws_lb_target_group_attachment" "task" {
  count            = length(var.tasks)
  target_group_arn = aws_lb_target_group.web.arn
  target_id        = "127.0.0.1"
  port             = var.tasks[count.index]
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.load_balancer.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.web.arn
  }
}

resource "aws_ecs_cluster" "main" {
  name = var.stack
}

resource "aws_ecs_task_definition" "web" {
  family                   = var.stack
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  container_definitions    = jsonencode([{ name = "web", image = "web", essential = true }])
}

resource "aws_ecs_service" "web" {
  name            = "web"
  cluster         = aws_ecs_cluster.main.id
  task_definition = aws_ecs_task_definition.web.arn
  desired_count   = 2
  launch_type     = "FARGATE"

  network_configuration {
    subnets = aws_subnet.each[*].id
  }

  lifecycle {
    # The emulator forgets it.
    ignore_changes = [availability_zone_rebalancing]
  }
}

# The pipeline hands it to Terraform as TF_VAR_maintenance_mode.
resource "aws_ssm_parameter" "maintenance_mode" {
  name  = "/${var.stack}/maintenance_mode"
  type  = "String"
  value = "false"

  lifecycle {
    ignore_changes = [value]
  }
}

data "aws_cloudfront_distribution" "maintenance" {
  id = var.distribution
}

//! The rights that the calls of this folder need.

use serde_json::json;

use crate::aws::policy::{Owner, Statement};
use crate::config::{Freeze, PipelineConfig, VariableWay};

/// A pipeline is started, followed, and where its block says so kept closed.
pub fn rights(config: &PipelineConfig, owner: &Owner) -> Vec<Statement> {
    let pipeline = owner.arn("codepipeline", &config.name);
    let mut all = vec![
        Statement::new(
            "SeesThePipeline",
            [
                "codepipeline:GetPipeline",
                "codepipeline:GetPipelineState",
                "codepipeline:GetPipelineExecution",
                "codepipeline:ListPipelineExecutions",
            ],
            [pipeline.clone()],
        ),
        Statement::new("StartsIt", ["codepipeline:StartPipelineExecution"], [pipeline.clone()]),
    ];
    if let (Freeze::WhileNotOpen, Some(stage)) = (config.freeze, &config.stage) {
        all.push(Statement::new(
            "ClosesTheStage",
            ["codepipeline:DisableStageTransition", "codepipeline:EnableStageTransition"],
            [format!("{pipeline}/{stage}")],
        ));
    }
    all
}

/// The boolean is made truthful where a pipeline reads it; nothing where this machine keeps it.
pub fn rights_of_variable(way: &VariableWay, owner: &Owner) -> Vec<Statement> {
    match way {
        VariableWay::Ssm { parameter, .. } => {
            let path = format!("parameter/{}", parameter.trim_start_matches('/'));
            vec![
                Statement::new(
                    "WritesTheParameter",
                    ["ssm:GetParameter", "ssm:PutParameter"],
                    [owner.arn("ssm", &path)],
                ),
                Statement::new(
                    "KeepsWhatElseTheParameterHas",
                    ["ssm:DescribeParameters"],
                    ["*".to_owned()],
                ),
            ]
        }
        VariableWay::Pipeline { pipeline, .. } => {
            let hands_on =
                Statement::new("HandsItsRoleOn", ["iam:PassRole"], [owner.global("iam", "role/*")]);
            let to = json!({ "iam:PassedToService": "codepipeline.amazonaws.com" });
            vec![
                Statement::new(
                    "WritesTheDefaultOfTheVariable",
                    ["codepipeline:GetPipeline", "codepipeline:UpdatePipeline"],
                    [owner.arn("codepipeline", pipeline)],
                ),
                hands_on.only_if(json!({ "StringEquals": to })),
            ]
        }
        VariableWay::CodeBuild { project, .. } => vec![Statement::new(
            "WritesTheEnvironmentOfTheProject",
            ["codebuild:BatchGetProjects", "codebuild:UpdateProject"],
            [owner.arn("codebuild", &format!("project/{project}"))],
        )],
        VariableWay::Tfvars { .. } | VariableWay::Command(_) | VariableWay::None => Vec::new(),
    }
}

# Scores against the truth, then pages. Nothing above depends on anything here.


rule evaluate:
    input:
        all_predictions,
        all_geometry(),
        recording("{subject}"),
        [embedding(name) for name in CONFIG.embeddings],
    output:
        TREE.metrics("{subject}"),
        TREE.item_scores("{subject}"),
        TREE.unit_scores("{subject}"),
        TREE.over_time("{subject}"),
        TREE.selectivity("{subject}"),
        TREE.selectivity("{subject}").with_suffix(".json"),
    log:
        TREE.log("evaluate", "{subject}"),
    benchmark:
        TREE.benchmark("evaluate", "{subject}")
    params:
        config=TREE.config,
        version=version("evaluate"),
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    shell:
        "calcarine step evaluate {params.config} --subject {wildcards.subject} --threads {threads}"
        " > {log} 2>&1"


rule evaluate_group:
    input:
        all_geometry(),
    output:
        TREE.group_metrics,
    log:
        TREE.log("evaluate-group", "all"),
    benchmark:
        TREE.benchmark("evaluate-group", "all")
    params:
        config=TREE.config,
        version=version("evaluate-group"),
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    shell:
        "calcarine step evaluate-group {params.config} --threads {threads} > {log} 2>&1"


rule report:
    input:
        TREE.metrics("{subject}"),
        TREE.item_scores("{subject}"),
        TREE.unit_scores("{subject}"),
        TREE.over_time("{subject}"),
        TREE.selectivity("{subject}"),
        all_predictions,
        all_geometry(),
        recording("{subject}"),
    output:
        TREE.page("{subject}"),
        TREE.provenance("{subject}"),
    log:
        TREE.log("report", "{subject}"),
    benchmark:
        TREE.benchmark("report", "{subject}")
    params:
        config=TREE.config,
        version=version("report"),
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(30),
    shell:
        "calcarine step report {params.config} --subject {wildcards.subject} --threads {threads}"
        " > {log} 2>&1"


rule index:
    input:
        [TREE.page(subject) for subject in CONFIG.subjects],
        [TREE.metrics(subject) for subject in CONFIG.subjects],
        group_scores(),
    output:
        TREE.index,
        TREE.description,
        TREE.efficiency,
    log:
        TREE.log("index", "index"),
    params:
        config=TREE.config,
        version=version("index"),
    shell:
        "calcarine step index {params.config} > {log} 2>&1"

# From the recording to trials, responses and embeddings.

if CONFIG.source.kind != "bids":

    rule source_stimuli:
        output:
            CONFIG.stimuli,
        log:
            TREE.log("source", "stimuli"),
        benchmark:
            TREE.benchmark("source", "stimuli")
        params:
            config=TREE.config,
            version=version("source"),
        threads: 1
        resources:
            mem_mb=growing(2000),
            runtime=growing(20),
        shell:
            "calcarine step source {params.config} --threads {threads} > {log} 2>&1"

    rule source_subject:
        input:
            CONFIG.stimuli,
        output:
            touch(TREE.log("source", "{subject}").with_suffix(".done")),
        log:
            TREE.log("source", "{subject}"),
        benchmark:
            TREE.benchmark("source", "{subject}")
        params:
            config=TREE.config,
            version=version("source"),
        threads: 1
        resources:
            mem_mb=growing(3000),
            runtime=growing(30),
        shell:
            "calcarine step source {params.config} --subject {wildcards.subject} --threads {threads}"
            " > {log} 2>&1"


rule prepare:
    input:
        recording=bids_subject,
        stimuli=CONFIG.stimuli,
    output:
        recording("{subject}"),
    log:
        TREE.log("prepare", "{subject}"),
    benchmark:
        TREE.benchmark("prepare", "{subject}")
    params:
        config=TREE.config,
        version=version("prepare"),
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    shell:
        "calcarine step prepare {params.config} --subject {wildcards.subject} --threads {threads}"
        " > {log} 2>&1"


rule embed:
    input:
        CONFIG.stimuli,
    output:
        # kept until the job replaces them: it takes over the rows of stimuli that are there
        update(embedding("{name}")),
    log:
        TREE.log("embed", "{name}"),
    benchmark:
        TREE.benchmark("embed", "{name}")
    params:
        config=TREE.config,
        version=version("embed"),
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
        gpu=1,
    shell:
        "calcarine step embed {params.config} --name {wildcards.name} --threads {threads} > {log} 2>&1"

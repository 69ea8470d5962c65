# Encoders, decoders and reconstructions: fitted on training trials, predicting test trials.


rule encode:
    input:
        recording("{subject}"),
        encoder_embeddings,
        CONFIG.stimuli,
    output:
        directory(TREE.model("{subject}", "encoder-{name}")),
        directory(TREE.prediction("{subject}", "encoder-{name}")),
    wildcard_constraints:
        name=choice(CONFIG.encode),
    log:
        TREE.log("encode", "{subject}_{name}"),
    benchmark:
        TREE.benchmark("encode", "{subject}_{name}")
    params:
        config=TREE.config,
        version=version("encode"),
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=gpus(CONFIG.encode),
    shell:
        "calcarine step encode {params.config} --subject {wildcards.subject} --name {wildcards.name}"
        " --threads {threads} > {log} 2>&1"


rule decode:
    input:
        recording("{subject}"),
        lambda wildcards: embedding(CONFIG.decode[wildcards.name].target),
    output:
        directory(TREE.model("{subject}", "decoder-{name}")),
        directory(TREE.prediction("{subject}", "decoder-{name}")),
    wildcard_constraints:
        name=choice(decoders("each")),
    log:
        TREE.log("decode", "{subject}_{name}"),
    benchmark:
        TREE.benchmark("decode", "{subject}_{name}")
    params:
        config=TREE.config,
        version=version("decode"),
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=gpus(CONFIG.decode),
    shell:
        "calcarine step decode {params.config} --subject {wildcards.subject} --name {wildcards.name}"
        " --threads {threads} > {log} 2>&1"


rule decode_group:
    input:
        [recording(subject) for subject in CONFIG.subjects],
        lambda wildcards: embedding(CONFIG.decode[wildcards.name].target),
    output:
        directory(TREE.group_model("decoder-{name}")),
        [directory(TREE.prediction(subject, "decoder-{name}")) for subject in CONFIG.subjects],
    wildcard_constraints:
        name=choice(decoders("all")),
    log:
        TREE.log("decode-group", "{name}"),
    benchmark:
        TREE.benchmark("decode-group", "{name}")
    params:
        config=TREE.config,
        version=version("decode-group"),
    threads: 1
    resources:
        mem_mb=growing(6000),
        runtime=growing(120),
        gpu=gpus(CONFIG.decode),
    shell:
        "calcarine step decode-group {params.config} --name {wildcards.name} --threads {threads}"
        " > {log} 2>&1"


rule over_time:
    input:
        recording("{subject}"),
        lambda wildcards: embedding(CONFIG.over_time[wildcards.name].target),
    output:
        directory(TREE.prediction("{subject}", "over-time-{name}")),
    wildcard_constraints:
        name=choice(CONFIG.over_time),
    log:
        TREE.log("over-time", "{subject}_{name}"),
    benchmark:
        TREE.benchmark("over-time", "{subject}_{name}")
    params:
        config=TREE.config,
        version=version("over-time"),
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    shell:
        "calcarine step over-time {params.config} --subject {wildcards.subject}"
        " --name {wildcards.name} --threads {threads} > {log} 2>&1"


rule few_pictures:
    input:
        recording("{subject}"),
        few_pictures_inputs,
        CONFIG.stimuli,
    output:
        directory(TREE.model("{subject}", "in-context-{name}")),
        directory(TREE.prediction("{subject}", "few-pictures-{name}")),
    wildcard_constraints:
        name=choice(CONFIG.few_pictures),
    log:
        TREE.log("few-pictures", "{subject}_{name}"),
    benchmark:
        TREE.benchmark("few-pictures", "{subject}_{name}")
    params:
        config=TREE.config,
        version=version("few-pictures"),
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    shell:
        "calcarine step few-pictures {params.config} --subject {wildcards.subject}"
        " --name {wildcards.name} --threads {threads} > {log} 2>&1"


rule geometry:
    input:
        recording("{subject}"),
        geometry_inputs,
        CONFIG.stimuli,
    output:
        directory(TREE.geometry("{subject}", "{name}")),
    wildcard_constraints:
        name=choice(CONFIG.geometry),
    log:
        TREE.log("geometry", "{subject}_{name}"),
    benchmark:
        TREE.benchmark("geometry", "{subject}_{name}")
    params:
        config=TREE.config,
        version=version("geometry"),
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    shell:
        "calcarine step geometry {params.config} --subject {wildcards.subject} --name {wildcards.name}"
        " --threads {threads} > {log} 2>&1"


rule reconstruct:
    input:
        drivers,
        recording("{subject}"),
        CONFIG.stimuli,
    output:
        directory(TREE.reconstruction("{subject}", "{name}")),
    log:
        TREE.log("reconstruct", "{subject}_{name}"),
    benchmark:
        TREE.benchmark("reconstruct", "{subject}_{name}")
    params:
        config=TREE.config,
        version=version("reconstruct"),
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=1,
    shell:
        "calcarine step reconstruct {params.config} --subject {wildcards.subject} --name {wildcards.name}"
        " --threads {threads} > {log} 2>&1"


rule caption:
    input:
        caption_sources,
        recording("{subject}"),
        CONFIG.stimuli,
    output:
        directory(TREE.captions("{subject}", "{name}")),
    log:
        TREE.log("caption", "{subject}_{name}"),
    benchmark:
        TREE.benchmark("caption", "{subject}_{name}")
    params:
        config=TREE.config,
        version=version("caption"),
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
        gpu=1,
    shell:
        "calcarine step caption {params.config} --subject {wildcards.subject} --name {wildcards.name}"
        " --threads {threads} > {log} 2>&1"

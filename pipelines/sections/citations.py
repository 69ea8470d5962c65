"""Works that the methods cite: how they are named in a sentence, in full, and their DOI."""

CITATIONS: dict[str, tuple[str, str, str]] = {
    "allen": (
        "Allen et al., 2022",
        "Allen EJ, St-Yves G, Wu Y, et al. A massive 7T fMRI dataset to bridge cognitive "
        "neuroscience and artificial intelligence. Nature Neuroscience 25:116–126 (2022).",
        "10.1038/s41593-021-00962-x",
    ),
    "bids": (
        "Gorgolewski et al., 2016",
        "Gorgolewski KJ, Auer T, Calhoun VD, et al. The brain imaging data structure. Scientific "
        "Data 3:160044 (2016).",
        "10.1038/sdata.2016.44",
    ),
    "bold5000": (
        "Chang et al., 2019",
        "Chang N, Pyles JA, Marcus A, Gupta A, Tarr MJ, Aminoff EM. BOLD5000, a public fMRI "
        "dataset while viewing 5000 visual images. Scientific Data 6:49 (2019).",
        "10.1038/s41597-019-0052-3",
    ),
    "bootstrap": (
        "Efron, 1979",
        "Efron B. Bootstrap methods: another look at the jackknife. The Annals of Statistics "
        "7:1–26 (1979).",
        "10.1214/aos/1176344552",
    ),
    "brain-diffuser": (
        "Ozcelik & VanRullen, 2023",
        "Ozcelik F, VanRullen R. Natural scene reconstruction from fMRI signals using generative "
        "latent diffusion. Scientific Reports 13:15666 (2023).",
        "10.1038/s41598-023-42891-8",
    ),
    "clip": (
        "Radford et al., 2021",
        "Radford A, Kim JW, Hallacy C, et al. Learning transferable visual models from natural "
        "language supervision (2021).",
        "10.48550/arXiv.2103.00020",
    ),
    "crossnobis": (
        "Walther et al., 2016",
        "Walther A, Nili H, Ejaz N, Alink A, Kriegeskorte N, Diedrichsen J. Reliability of "
        "dissimilarity measures for multi-voxel pattern analysis. NeuroImage 137:188–200 (2016).",
        "10.1016/j.neuroimage.2015.12.012",
    ),
    "encoding": (
        "Naselaris et al., 2011",
        "Naselaris T, Kay KN, Nishimoto S, Gallant JL. Encoding and decoding in fMRI. NeuroImage "
        "56:400–410 (2011).",
        "10.1016/j.neuroimage.2010.07.073",
    ),
    "factorised": (
        "Klindt et al., 2017",
        "Klindt DA, Ecker AS, Euler T, Bethge M. Neural system identification for large "
        "populations separating what and where. NeurIPS 30 (2017).",
        "10.48550/arXiv.1711.02653",
    ),
    "fsaverage": (
        "Fischl et al., 1999",
        "Fischl B, Sereno MI, Tootell RBH, Dale AM. High-resolution intersubject averaging and a "
        "coordinate system for the cortical surface. Human Brain Mapping 8:272–284 (1999).",
        "10.1002/(SICI)1097-0193(1999)8:4<272::AID-HBM10>3.0.CO;2-4",
    ),
    "fwrf": (
        "St-Yves & Naselaris, 2018",
        "St-Yves G, Naselaris T. The feature-weighted receptive field: an interpretable encoding "
        "model for complex feature spaces. NeuroImage 180:188–202 (2018).",
        "10.1016/j.neuroimage.2017.06.035",
    ),
    "haxby": (
        "Haxby et al., 2001",
        "Haxby JV, Gobbini MI, Furey ML, et al. Distributed and overlapping representations of "
        "faces and objects in ventral temporal cortex. Science 293:2425–2430 (2001).",
        "10.1126/science.1063736",
    ),
    "horikawa": (
        "Horikawa & Kamitani, 2017",
        "Horikawa T, Kamitani Y. Generic decoding of seen and imagined objects using hierarchical "
        "visual features. Nature Communications 8:15037 (2017).",
        "10.1038/ncomms15037",
    ),
    "hrf": (
        "Prince et al., 2022",
        "Prince JS, Charest I, Kurzawski JW, et al. Improving the accuracy of single-trial fMRI "
        "response estimates using GLMsingle. eLife 11:e77599 (2022).",
        "10.7554/eLife.77599",
    ),
    "kriegeskorte": (
        "Kriegeskorte et al., 2008b",
        "Kriegeskorte N, Mur M, Ruff DA, et al. Matching categorical object representations in "
        "inferior temporal cortex of man and monkey. Neuron 60:1126–1141 (2008).",
        "10.1016/j.neuron.2008.10.043",
    ),
    "latent": (
        "Rombach et al., 2022",
        "Rombach R, Blattmann A, Lorenz D, Esser P, Ommer B. High-resolution image synthesis with "
        "latent diffusion models (2022).",
        "10.48550/arXiv.2112.10752",
    ),
    "ledoit": (
        "Ledoit & Wolf, 2004",
        "Ledoit O, Wolf M. A well-conditioned estimator for large-dimensional covariance "
        "matrices. Journal of Multivariate Analysis 88:365–411 (2004).",
        "10.1016/S0047-259X(03)00096-4",
    ),
    "mindeye": (
        "Scotti et al., 2023",
        "Scotti PS, Banerjee A, Goode J, et al. Reconstructing the mind's eye: fMRI-to-image with "
        "contrastive learning and diffusion priors (2023).",
        "10.48550/arXiv.2305.18274",
    ),
    "mixco": (
        "Kim et al., 2020",
        "Kim S, Lee G, Bae S, Yun SY. MixCo: mix-up contrastive learning for visual "
        "representation (2020).",
        "10.48550/arXiv.2010.06300",
    ),
    "mumford": (
        "Mumford et al., 2012",
        "Mumford JA, Turner BO, Ashby FG, Poldrack RA. Deconvolving BOLD activation in "
        "event-related designs for multivoxel pattern classification analyses. NeuroImage "
        "59:2636–2643 (2012).",
        "10.1016/j.neuroimage.2011.08.076",
    ),
    "nili": (
        "Nili et al., 2014",
        "Nili H, Wingfield C, Walther A, Su L, Marslen-Wilson W, Kriegeskorte N. A toolbox for "
        "representational similarity analysis. PLoS Computational Biology 10:e1003553 (2014).",
        "10.1371/journal.pcbi.1003553",
    ),
    "banded": (
        "Dupré la Tour et al., 2022",
        "Dupré la Tour T, Eickenberg M, Nunez-Elizalde AO, Gallant JL. Feature-space selection "
        "with banded ridge regression. NeuroImage 264:119728 (2022).",
        "10.1016/j.neuroimage.2022.119728",
    ),
    "response-optimised": (
        "Khosla & Wehbe, 2024",
        "Khosla M, Wehbe L. Higher visual areas act like domain-general filters with strong "
        "selectivity and functional specialization. Journal of Vision 24(10):1474 (2024).",
        "10.1167/jov.24.10.1474",
    ),
    "fir": (
        "Nishimoto et al., 2011",
        "Nishimoto S, Vu AT, Naselaris T, Benjamini Y, Yu B, Gallant JL. Reconstructing visual "
        "experiences from brain activity evoked by natural movies. Current Biology 21:1641–1646 "
        "(2011).",
        "10.1016/j.cub.2011.08.031",
    ),
    "ridge": (
        "Hoerl & Kennard, 1970",
        "Hoerl AE, Kennard RW. Ridge regression: biased estimation for nonorthogonal problems. "
        "Technometrics 12:55–67 (1970).",
        "10.1080/00401706.1970.10488634",
    ),
    "roi-query": (
        "Adeli et al., 2025",
        "Adeli H, Sun M, Kriegeskorte N. Transformer brain encoders explain human high-level "
        "visual responses (2025).",
        "10.48550/arXiv.2505.17329",
    ),
    "rsa": (
        "Kriegeskorte et al., 2008a",
        "Kriegeskorte N, Mur M, Bandettini P. Representational similarity analysis – connecting "
        "the branches of systems neuroscience. Frontiers in Systems Neuroscience 2:4 (2008).",
        "10.3389/neuro.06.004.2008",
    ),
    "snakemake": (
        "Mölder et al., 2021",
        "Mölder F, Jablonski KP, Letcher B, et al. Sustainable data analysis with Snakemake. "
        "F1000Research 10:33 (2021).",
        "10.12688/f1000research.29032.2",
    ),
    "softclip": (
        "Gao et al., 2023",
        "Gao Y, Liu J, Xu Z, et al. SoftCLIP: softer cross-modal alignment makes CLIP stronger "
        "(2023).",
        "10.48550/arXiv.2303.17561",
    ),
    "spatial-transformer": (
        "Jaderberg et al., 2015",
        "Jaderberg M, Simonyan K, Zisserman A, Kavukcuoglu K. Spatial transformer networks. "
        "Advances in Neural Information Processing Systems 28 (2015).",
        "10.48550/arXiv.1506.02025",
    ),
    "ssim": (
        "Wang et al., 2004",
        "Wang Z, Bovik AC, Sheikh HR, Simoncelli EP. Image quality assessment: from error "
        "visibility to structural similarity. IEEE Transactions on Image Processing 13:600–612 "
        "(2004).",
        "10.1109/TIP.2003.819861",
    ),
    "svm": (
        "Cortes & Vapnik, 1995",
        "Cortes C, Vapnik V. Support-vector networks. Machine Learning 20:273–297 (1995).",
        "10.1007/BF00994018",
    ),
    "topology": (
        "Lin & Kriegeskorte, 2024",
        "Lin B, Kriegeskorte N. The topology and geometry of neural representations. PNAS "
        "121:e2317881121 (2024).",
        "10.1073/pnas.2317881121",
    ),
    "unclip": (
        "Ramesh et al., 2022",
        "Ramesh A, Dhariwal P, Nichol A, Chu C, Chen M. Hierarchical text-conditional image "
        "generation with CLIP latents (2022).",
        "10.48550/arXiv.2204.06125",
    ),
    "ica": (
        "Makeig et al., 1996",
        "Makeig S, Bell AJ, Jung TP, Sejnowski TJ. Independent component analysis of "
        "electroencephalographic data. Advances in Neural Information Processing Systems 8:145–151 "
        "(1996).",
        "10.5555/2998828.2998849",
    ),
    "mne": (
        "Gramfort et al., 2013",
        "Gramfort A, Luessi M, Larson E, et al. MEG and EEG data analysis with MNE-Python. "
        "Frontiers in Neuroscience 7:267 (2013).",
        "10.3389/fnins.2013.00267",
    ),
    "mvnn": (
        "Guggenmos et al., 2018",
        "Guggenmos M, Sterzer P, Cichy RM. Multivariate pattern analysis for MEG: a comparison of "
        "dissimilarity measures. NeuroImage 173:434–447 (2018).",
        "10.1016/j.neuroimage.2018.02.044",
    ),
    "sss": (
        "Taulu & Kajola, 2005",
        "Taulu S, Kajola M. Presentation of electromagnetic multichannel data: the signal space "
        "separation method. Journal of Applied Physics 97:124905 (2005).",
        "10.1063/1.1935742",
    ),
    "things-eeg2": (
        "Gifford et al., 2022",
        "Gifford AT, Dwivedi K, Roig G, Cichy RM. A large and rich EEG dataset for modeling human "
        "visual object recognition. NeuroImage 264:119754 (2022).",
        "10.1016/j.neuroimage.2022.119754",
    ),
    "things-meg": (
        "Hebart et al., 2023",
        "Hebart MN, Contier O, Teichmann L, et al. THINGS-data, a multimodal collection of "
        "large-scale datasets for investigating object representations in human brain and "
        "behavior. eLife 12:e82580 (2023).",
        "10.7554/eLife.82580",
    ),
}

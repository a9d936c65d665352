//! The table of provisioners and drivers: what the volumes that they make are made of.
//!
//! What this file is: data. A row is a provisioner of a StorageClass or a driver of a volume, which is one name for
//! most; a row that begins with `*` stands for every name that ends so, since Rook, Helm charts and operators put a name
//! of their own before it. Each row says where it is known from.
//!
//! What it must not do: know names of classes. `gp3` and `longhorn` are free to mean anything; [`usual`] says what they
//! mostly are, for the question that is asked, never for an answer.
//!
//! Where to look next: `storage`, which asks.

use crate::sharing::Nature;

/// What a driver's volumes are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// A directory or disk of one node.
    Local,
    /// A device that one node has at a time.
    Block,
    /// A network or cluster file system.
    Network(&'static str),
    /// An object store that looks like a file system.
    Objects(&'static str),
    /// It depends on what no manifest says.
    Open,
    /// What the parameter says; without it the first one, if that is the default of the driver.
    By {
        /// The parameter.
        parameter: &'static str,
        /// Values, in lower case, as they may begin, with what they stand for.
        values: &'static [(&'static str, Made)],
        /// Without the parameter.
        default: Option<&'static Made>,
    },
}

/// A provisioner or driver.
#[derive(Debug)]
pub struct Driver {
    /// Its name, or `*` and how it ends.
    pub name: &'static str,
    /// What its volumes are.
    pub made: Made,
    /// What those are that it makes for `ReadWriteMany`, if they are others.
    pub many: Option<Made>,
    /// Where this is known from.
    pub source: &'static str,
}

const fn row(name: &'static str, made: Made, source: &'static str) -> Driver {
    Driver { name, made, many: None, source }
}

const fn shared_as(name: &'static str, made: Made, many: Made, source: &'static str) -> Driver {
    Driver { name, made, many: Some(many), source }
}

const NFS: Made = Made::Network("nfs");
const SMB: Made = Made::Network("cifs");
const CEPHFS: Made = Made::Network("cephfs");
const BLOBFUSE: Made = Made::Objects("fuse.blobfuse2");
const AZURE_FILE: Made = Made::By { parameter: "protocol", values: &[("nfs", NFS), ("smb", SMB)], default: Some(&SMB) };
const AZURE_BLOB: Made =
    Made::By { parameter: "protocol", values: &[("fuse", BLOBFUSE), ("nfs", NFS)], default: Some(&BLOBFUSE) };
const SYNOLOGY: Made = Made::By {
    parameter: "protocol",
    values: &[("iscsi", Made::Block), ("nfs", NFS), ("smb", SMB)],
    default: Some(&Made::Block),
};
const TRIDENT: Made = Made::By {
    parameter: "backendType",
    values: &[
        ("azure-netapp-files", NFS),
        ("google-cloud-netapp-volumes", NFS),
        ("ontap-nas", NFS),
        ("ontap-san", Made::Block),
        ("solidfire-san", Made::Block),
    ],
    default: None,
};

/// All drivers, by name.
pub static DRIVERS: &[Driver] = &[
    row(
        "*.cephfs.csi.ceph.com",
        CEPHFS,
        "https://rook.io/docs/rook/latest/Storage-Configuration/Shared-Filesystem-CephFS/filesystem-storage/",
    ),
    row("*.nfs.csi.ceph.com", NFS, "https://rook.io/docs/rook/latest/Storage-Configuration/NFS/nfs-csi-driver/"),
    row(
        "*.rbd.csi.ceph.com",
        Made::Block,
        "https://rook.io/docs/rook/latest/Storage-Configuration/Block-Storage-RBD/block-storage/",
    ),
    row("*nfs-client-provisioner", NFS, "https://github.com/kubernetes-sigs/nfs-subdir-external-provisioner"),
    row(
        "*nfs-server-provisioner",
        NFS,
        "https://github.com/kubernetes-sigs/nfs-ganesha-server-and-external-provisioner",
    ),
    row("*nfs-subdir-external-provisioner", NFS, "https://github.com/kubernetes-sigs/nfs-subdir-external-provisioner"),
    row("beegfs.csi.netapp.com", Made::Network("beegfs"), "https://github.com/ThinkParQ/beegfs-csi-driver"),
    row(
        "blob.csi.azure.com",
        AZURE_BLOB,
        "https://github.com/kubernetes-sigs/blob-csi-driver/blob/master/docs/driver-parameters.md",
    ),
    row("block.csi.vultr.com", Made::Block, "https://github.com/vultr/vultr-csi"),
    row(
        "blockvolume.csi.oraclecloud.com",
        Made::Block,
        "https://docs.oracle.com/en-us/iaas/Content/ContEng/Tasks/contengcreatingpersistentvolumeclaim.htm",
    ),
    row("cephfs.csi.ceph.com", CEPHFS, "https://github.com/ceph/ceph-csi"),
    row("ch.ctrox.csi.s3-driver", Made::Objects("fuse.s3fs"), "https://github.com/ctrox/csi-s3"),
    row(
        "cinder.csi.openstack.org",
        Made::Block,
        "https://github.com/kubernetes/cloud-provider-openstack/blob/master/docs/cinder-csi-plugin/using-cinder-csi-plugin.md",
    ),
    row("com.tencent.cloud.csi.cbs", Made::Block, "https://github.com/TencentCloud/kubernetes-csi-tencentcloud"),
    row("com.tencent.cloud.csi.cfs", NFS, "https://github.com/TencentCloud/kubernetes-csi-tencentcloud"),
    row("csi.hetzner.cloud", Made::Block, "https://github.com/hetznercloud/csi-driver"),
    row("csi.juicefs.com", Made::Network("juicefs"), "https://juicefs.com/docs/csi/introduction/"),
    row("csi.moosefs.com", Made::Network("moosefs"), "https://github.com/moosefs/moosefs-csi"),
    row("csi.proxmox.sinextra.dev", Made::Block, "https://github.com/sergelogvinov/proxmox-csi-plugin"),
    row("csi.san.synology.com", SYNOLOGY, "https://github.com/SynologyOpenSource/synology-csi"),
    row("csi.scaleway.com", Made::Block, "https://github.com/scaleway/scaleway-csi"),
    row("csi.trident.netapp.io", TRIDENT, "https://docs.netapp.com/us-en/trident/trident-reference/objects.html"),
    shared_as(
        "csi.vsphere.vmware.com",
        Made::Block,
        NFS,
        "https://docs.vmware.com/en/VMware-vSphere-Container-Storage-Plug-in/index.html",
    ),
    row("csi.weka.io", Made::Network("wekafs"), "https://github.com/weka/csi-wekafs"),
    row("cstor.csi.openebs.io", Made::Block, "https://github.com/openebs/cstor-csi"),
    row("disk.csi.azure.com", Made::Block, "https://github.com/kubernetes-sigs/azuredisk-csi-driver"),
    row("diskplugin.csi.alibabacloud.com", Made::Block, "https://github.com/kubernetes-sigs/alibaba-cloud-csi-driver"),
    row("dobs.csi.digitalocean.com", Made::Block, "https://github.com/digitalocean/csi-digitalocean"),
    row("docker.io/hostpath", Made::Local, "https://docs.docker.com/desktop/features/kubernetes/"),
    row("driver.harvesterhci.io", Made::Block, "https://github.com/harvester/harvester-csi-driver"),
    shared_as(
        "driver.longhorn.io",
        Made::Block,
        NFS,
        "https://longhorn.io/docs/latest/nodes-and-volumes/volumes/rwx-volumes/",
    ),
    row("ebs.csi.aws.com", Made::Block, "https://github.com/kubernetes-sigs/aws-ebs-csi-driver"),
    row(
        "ebs.csi.eks.amazonaws.com",
        Made::Block,
        "https://docs.aws.amazon.com/eks/latest/userguide/create-storage-class.html",
    ),
    row("efs.csi.aws.com", NFS, "https://github.com/kubernetes-sigs/aws-efs-csi-driver"),
    row(
        "file.csi.azure.com",
        AZURE_FILE,
        "https://github.com/kubernetes-sigs/azurefile-csi-driver/blob/master/docs/driver-parameters.md",
    ),
    row("filestore.csi.storage.gke.io", NFS, "https://github.com/kubernetes-sigs/gcp-filestore-csi-driver"),
    row(
        "fss.csi.oraclecloud.com",
        NFS,
        "https://docs.oracle.com/en-us/iaas/Content/ContEng/Tasks/contengcreatingpersistentvolumeclaim.htm",
    ),
    row("fsx.csi.aws.com", Made::Network("lustre"), "https://github.com/kubernetes-sigs/aws-fsx-csi-driver"),
    row("fsx.openzfs.csi.aws.com", NFS, "https://github.com/kubernetes-sigs/aws-fsx-openzfs-csi-driver"),
    row("fuseim.pri/ifs", NFS, "https://github.com/kubernetes-sigs/nfs-subdir-external-provisioner"),
    row(
        "gcsfuse.csi.storage.gke.io",
        Made::Objects("fuse.gcsfuse"),
        "https://github.com/GoogleCloudPlatform/gcs-fuse-csi-driver",
    ),
    row("hostpath.csi.k8s.io", Made::Local, "https://github.com/kubernetes-csi/csi-driver-host-path"),
    row("io.openebs.csi-mayastor", Made::Block, "https://openebs.io/docs/concepts/data-engines/replicated-storage"),
    row("jiva.csi.openebs.io", Made::Block, "https://github.com/openebs/jiva-operator"),
    row("k8s.io/minikube-hostpath", Made::Local, "https://minikube.sigs.k8s.io/docs/handbook/persistent_volumes/"),
    row("kubernetes.io/aws-ebs", Made::Block, "https://kubernetes.io/docs/concepts/storage/storage-classes/#aws-ebs"),
    row("kubernetes.io/azure-disk", Made::Block, "https://kubernetes.io/docs/concepts/storage/volumes/#azuredisk"),
    row("kubernetes.io/azure-file", SMB, "https://kubernetes.io/docs/concepts/storage/storage-classes/#azure-file"),
    row("kubernetes.io/cinder", Made::Block, "https://kubernetes.io/docs/concepts/storage/volumes/#cinder"),
    row("kubernetes.io/gce-pd", Made::Block, "https://kubernetes.io/docs/concepts/storage/volumes/#gcepersistentdisk"),
    row(
        "kubernetes.io/glusterfs",
        Made::Network("glusterfs"),
        "https://kubernetes.io/docs/concepts/storage/volumes/#glusterfs",
    ),
    shared_as(
        "kubernetes.io/portworx-volume",
        Made::Block,
        NFS,
        "https://docs.portworx.com/portworx-enterprise/provision-storage/create-pvcs/sharedv4-pvcs",
    ),
    row("kubernetes.io/rbd", Made::Block, "https://kubernetes.io/docs/concepts/storage/volumes/#rbd"),
    row(
        "kubernetes.io/vsphere-volume",
        Made::Block,
        "https://kubernetes.io/docs/concepts/storage/volumes/#vspherevolume",
    ),
    row("linodebs.csi.linode.com", Made::Block, "https://github.com/linode/linode-blockstorage-csi-driver"),
    shared_as(
        "linstor.csi.linbit.com",
        Made::Block,
        NFS,
        "https://linbit.com/drbd-user-guide/linstor-guide-1_0-en/#ch-kubernetes",
    ),
    row("local.csi.openebs.io", Made::Local, "https://github.com/openebs/lvm-localpv"),
    row(
        "lustre.csi.storage.gke.io",
        Made::Network("lustre"),
        "https://cloud.google.com/kubernetes-engine/docs/concepts/managed-lustre",
    ),
    row("microk8s.io/hostpath", Made::Local, "https://microk8s.io/docs/addon-hostpath-storage"),
    row("nasplugin.csi.alibabacloud.com", NFS, "https://github.com/kubernetes-sigs/alibaba-cloud-csi-driver"),
    row("nfs.csi.k8s.io", NFS, "https://github.com/kubernetes-csi/csi-driver-nfs"),
    row("nfs.longhorn.io", NFS, "https://longhorn.io/docs/1.0.1/advanced-resources/rwx-workloads/"),
    row("openebs.io/local", Made::Local, "https://github.com/openebs/dynamic-localpv-provisioner"),
    row("openebs.io/nfsrwx", NFS, "https://github.com/openebs/dynamic-nfs-provisioner"),
    row(
        "ossplugin.csi.alibabacloud.com",
        Made::Objects("fuse.ossfs"),
        "https://github.com/kubernetes-sigs/alibaba-cloud-csi-driver",
    ),
    row(
        "pd.csi.storage.gke.io",
        Made::Block,
        "https://github.com/kubernetes-sigs/gcp-compute-persistent-disk-csi-driver",
    ),
    shared_as(
        "pxd.portworx.com",
        Made::Block,
        NFS,
        "https://docs.portworx.com/portworx-enterprise/provision-storage/create-pvcs/sharedv4-pvcs",
    ),
    // With a `sharedFileSystemPath` it serves `ReadWriteMany` from whatever lies there.
    shared_as("rancher.io/local-path", Made::Local, Made::Open, "https://github.com/rancher/local-path-provisioner"),
    row("rbd.csi.ceph.com", Made::Block, "https://github.com/ceph/ceph-csi"),
    row("ru.yandex.s3.csi", Made::Objects("fuse.geesefs"), "https://github.com/yandex-cloud/k8s-csi-s3"),
    row("s3.csi.aws.com", Made::Objects("fuse.mount-s3"), "https://github.com/awslabs/mountpoint-s3-csi-driver"),
    row("seaweedfs-csi-driver", Made::Network("seaweedfs"), "https://github.com/seaweedfs/seaweedfs-csi-driver"),
    row("smb.csi.k8s.io", SMB, "https://github.com/kubernetes-csi/csi-driver-smb"),
    row("spectrumscale.csi.ibm.com", Made::Network("gpfs"), "https://github.com/IBM/ibm-spectrum-scale-csi"),
    row("storage.csi.upcloud.com", Made::Block, "https://github.com/UpCloudLtd/upcloud-csi"),
    row("topolvm.cybozu.com", Made::Local, "https://github.com/topolvm/topolvm"),
    row("topolvm.io", Made::Local, "https://github.com/topolvm/topolvm"),
    row("zfs.csi.openebs.io", Made::Local, "https://github.com/openebs/zfs-localpv"),
];

/// Volumes that a pod or a persistent volume names by their kind, without a driver.
static KINDS: &[(&str, Made)] = &[
    ("awsElasticBlockStore", Made::Block),
    ("azureDisk", Made::Block),
    ("cinder", Made::Block),
    ("fc", Made::Block),
    ("gcePersistentDisk", Made::Block),
    ("quobyte", Made::Network("quobyte")),
    ("rbd", Made::Block),
    ("vsphereVolume", Made::Block),
];

/// What classes of these names mostly are. Names are free: no evidence, a hint in a question.
static USUAL: &[(&str, &str)] = &[
    ("azurefile", "Azure Files, which is SMB"),
    ("azurefile-csi", "Azure Files, which is SMB"),
    ("ceph-block", "a block device of Ceph"),
    ("ceph-filesystem", "CephFS, a network file system"),
    ("cephfs", "CephFS, a network file system"),
    ("do-block-storage", "a block device of DigitalOcean"),
    ("efs", "EFS, which is NFS"),
    ("efs-sc", "EFS, which is NFS"),
    ("gp2", "a block device of AWS"),
    ("gp3", "a block device of AWS"),
    ("hcloud-volumes", "a block device of Hetzner"),
    ("hostpath", "a directory of the node"),
    ("local-path", "a directory of the node"),
    ("longhorn", "a block device of Longhorn, or NFS if the claim asks for `ReadWriteMany`"),
    ("managed-csi", "a block device of Azure"),
    ("microk8s-hostpath", "a directory of the node"),
    ("nfs-client", "NFS"),
    ("nfs-csi", "NFS"),
    ("premium-rwo", "a block device of Google"),
    ("rook-ceph-block", "a block device of Ceph"),
    ("rook-cephfs", "CephFS, a network file system"),
    ("standard-rwo", "a block device of Google"),
];

/// What a class of this name usually is.
pub(super) fn usual(class: &str) -> Option<&'static str> {
    USUAL.iter().find(|(name, _)| *name == class).map(|(_, what)| *what)
}

/// The row of a provisioner or driver.
pub fn driver(name: &str) -> Option<&'static Driver> {
    let whole = DRIVERS.iter().find(|driver| driver.name == name);
    let ends = |driver: &&Driver| driver.name.strip_prefix('*').is_some_and(|end| name.ends_with(end));
    whole.or_else(|| DRIVERS.iter().find(ends))
}

/// What a volume of this kind is made of.
pub(super) fn kind(name: &str) -> Option<Nature> {
    KINDS.iter().find(|(known, _)| *known == name).and_then(|(_, made)| nature(made, &|_| None))
}

impl Driver {
    /// What its volumes are made of. `many`: they are asked for with `ReadWriteMany`. `parameter`: what the class or the
    /// volume tells the driver. `None`: that leaves it open.
    pub fn nature(&self, many: bool, parameter: &dyn Fn(&str) -> Option<String>) -> Option<Nature> {
        let found = nature(self.many.as_ref().filter(|_| many).unwrap_or(&self.made), parameter)?;
        // No device can be mounted by several nodes: such a driver either refuses or serves it in a way of its own.
        let is_odd = many && self.many.is_none() && found == Nature::Block;
        (!is_odd).then_some(found)
    }
}

fn nature(made: &Made, parameter: &dyn Fn(&str) -> Option<String>) -> Option<Nature> {
    Some(match made {
        Made::Open => return None,
        Made::Local => Nature::Local,
        Made::Block => Nature::Block,
        Made::Network(name) => Nature::Network((*name).to_owned()),
        Made::Objects(name) => Nature::ObjectStore((*name).to_owned()),
        Made::By { parameter: name, values, default } => {
            let Some(value) = parameter(name) else { return nature((*default)?, parameter) };
            let value = value.to_ascii_lowercase();
            let (_, made) = values.iter().find(|(beginning, _)| value.starts_with(beginning))?;
            return nature(made, parameter);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(name: &str, many: bool, protocol: Option<&str>, expected: Option<Nature>) {
        let parameter = |_: &str| protocol.map(str::to_owned);
        let found = driver(name).and_then(|driver| driver.nature(many, &parameter));
        assert_eq!(found, expected, "{name}");
    }

    fn network(name: &str) -> Option<Nature> {
        Some(Nature::Network(name.to_owned()))
    }

    #[test]
    fn the_lists_are_sorted_and_every_driver_has_its_source() {
        assert!(DRIVERS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(KINDS.is_sorted_by_key(|(name, _)| name) && USUAL.is_sorted_by_key(|(name, _)| name));
        assert!(DRIVERS.iter().all(|driver| driver.source.starts_with("https://")));
    }

    #[test]
    fn drivers_are_found_by_their_whole_name_or_its_end() {
        is("ebs.csi.aws.com", false, None, Some(Nature::Block));
        is("rook-ceph.cephfs.csi.ceph.com", true, None, network("cephfs"));
        is("cluster.local/nas-nfs-subdir-external-provisioner", false, None, network("nfs"));
        is("xebs.csi.aws.com", false, None, None);
        is("example.org/nfs", false, None, None);
    }

    #[test]
    fn what_is_asked_for_and_told_decides() {
        is("driver.longhorn.io", false, None, Some(Nature::Block));
        is("driver.longhorn.io", true, None, network("nfs"));
        is("file.csi.azure.com", true, None, network("cifs"));
        is("file.csi.azure.com", true, Some("NFS"), network("nfs"));
        is("blob.csi.azure.com", true, Some("fuse2"), Some(Nature::ObjectStore("fuse.blobfuse2".to_owned())));
        is("ebs.csi.aws.com", true, None, None);
        is("rancher.io/local-path", true, None, None);
        is("docker.io/hostpath", true, None, Some(Nature::Local));
        is("csi.trident.netapp.io", false, None, None);
        is("csi.trident.netapp.io", false, Some("ontap-nas-economy"), network("nfs"));
    }
}
